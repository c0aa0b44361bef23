// Rate limiting: a service that asks who calls counts the calls of each. Both
// sides have to agree: the callee registers with disclose_caller (which wampy
// sends with an underscore only), the caller calls with disclose_me.
import { connect } from './connect.js'

const limit = 3
const minute = 60_000
const calls = new Map() // caller → when it called within the last minute

const service = await connect()
await service.register(
  'com.example.api.lookup',
  ({ argsList: [word], details: { caller } }) => {
    const now = Date.now()
    const recent = (calls.get(caller) ?? []).filter((time) => now - time < minute)
    if (recent.length >= limit) throw { error: 'com.example.error.rate_limit', argsList: [`${limit} calls a minute`] }
    calls.set(caller, [...recent, now])
    return { argsList: [word.toUpperCase()] }
  },
  { _disclose_caller: true },
)

const [alice, bob] = [await connect(), await connect()]

async function lookup(name, session, word) {
  try {
    const { argsList } = await session.call('com.example.api.lookup', [word], { disclose_me: true })
    console.log(`${name}: ${argsList[0]}`)
  } catch (e) {
    console.log(`${name}: ${e.errorUri}, ${e.argsList[0]}`)
  }
}

for (const word of ['one', 'two', 'three', 'four']) await lookup('alice', alice, word)
await lookup('bob', bob, 'one')
await Promise.all([service, alice, bob].map((session) => session.disconnect()))

// Prints:
// alice: ONE
// alice: TWO
// alice: THREE
// alice: com.example.error.rate_limit, 3 calls a minute
// bob: ONE
