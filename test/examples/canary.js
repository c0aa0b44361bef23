// Canary: with policy "last" the newest version gets all calls, and taking it
// back is to unregister it.
import { connect } from './connect.js'

const [v1, v2, client] = [await connect(), await connect(), await connect()]
const process = async (order) => console.log((await client.call('com.example.api.process', [order])).argsList[0])

await v1.register('com.example.api.process', ({ argsList }) => ({ argsList: [`v1: ${argsList[0]}`] }), { invoke: 'last' })
await process('order 1')
await v2.register('com.example.api.process', ({ argsList }) => ({ argsList: [`v2: ${argsList[0]}`] }), { invoke: 'last' })
await process('order 2')
await process('order 3')
await v2.unregister('com.example.api.process')
await process('order 4')
await Promise.all([v1, v2, client].map((session) => session.disconnect()))

// Prints:
// v1: order 1
// v2: order 2
// v2: order 3
// v1: order 4
