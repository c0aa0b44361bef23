// Primary and backup: with policy "first" the backup is called only when the
// primary is gone.
import { connect } from './connect.js'

const [primary, backup, client] = [await connect(), await connect(), await connect()]
await primary.register('com.example.cache.get', () => ({ argsList: ['primary'] }), { invoke: 'first' })
await backup.register('com.example.cache.get', () => ({ argsList: ['backup'] }), { invoke: 'first' })

const get = async () => console.log((await client.call('com.example.cache.get', ['key'])).argsList[0])
await get()
await get()
await primary.unregister('com.example.cache.get')
console.log('the primary stops')
await get()
await Promise.all([primary, backup, client].map((session) => session.disconnect()))

// Prints:
// primary
// primary
// the primary stops
// backup
