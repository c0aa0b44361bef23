// Authorization by caller: a service remembers which sessions have shown that
// they may, and looks at details.caller, which nobody can make up.
import { connect } from './connect.js'

const tokens = new Map([['s3cret', ['user.delete']]])
const permissions = new Map() // session → what it may do

const refuse = (text) => {
  throw { error: 'com.example.error.not_permitted', argsList: [text] }
}

const service = await connect()
const disclosed = { _disclose_caller: true }
await service.register(
  'com.example.admin.login',
  ({ argsList: [token], details: { caller } }) => {
    permissions.set(caller, tokens.get(token) ?? refuse('no such token'))
  },
  disclosed,
)
await service.register(
  'com.example.admin.delete_user',
  ({ argsList: [user], details: { caller } }) => {
    if (!caller) refuse('call with disclose_me')
    if (!permissions.get(caller)?.includes('user.delete')) refuse('log in first')
    return { argsList: [`user ${user} deleted`] }
  },
  disclosed,
)

const client = await connect()

async function deleteUser(options) {
  try {
    const { argsList } = await client.call('com.example.admin.delete_user', [7], options)
    console.log(argsList[0])
  } catch (e) {
    console.log(`${e.errorUri}: ${e.argsList[0]}`)
  }
}

await deleteUser({})
await deleteUser({ disclose_me: true })
await client.call('com.example.admin.login', ['s3cret'], { disclose_me: true })
await deleteUser({ disclose_me: true })
await Promise.all([service.disconnect(), client.disconnect()])

// Prints:
// com.example.error.not_permitted: call with disclose_me
// com.example.error.not_permitted: log in first
// user 7 deleted
