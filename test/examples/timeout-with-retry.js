// Timeout with retry: the gateway ends a call that takes too long, and the caller
// tries again after a pause that doubles.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from './connect.js'

const service = await connect()
let calls = 0
await service.register('com.example.external_api', async ({ argsList }) => {
  calls++
  if (calls < 3) await sleep(5_000, null, { ref: false }) // has a bad day
  return { argsList: [`stored ${argsList[0]}`] }
})

const client = await connect()

async function callWithRetry(procedure, args, timeout, attempts = 3) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.call(procedure, args, { timeout })
    } catch (e) {
      if (e.errorUri !== 'wamp.error.timeout' || attempt === attempts) throw e
      console.log(`attempt ${attempt}: ${e.errorUri}`)
      await sleep(2 ** attempt * 10)
    }
  }
}

const { argsList } = await callWithRetry('com.example.external_api', ['order 7'], 300)
console.log(argsList[0])
await Promise.all([service.disconnect(), client.disconnect()])

// Prints:
// attempt 1: wamp.error.timeout
// attempt 2: wamp.error.timeout
// stored order 7
