// Sharding: all orders of a customer go to one instance, in order, so that it
// can keep the customer's state. wampy sends these options with an underscore.
//
// Needs: sharded_registration
import { connect } from './connect.js'

const instances = []
const seen = new Map() // customer → [instance, order] for each of its orders
for (const name of ['instance 1', 'instance 2', 'instance 3']) {
  const instance = await connect()
  const process = ({ argsList: [{ customer, order }] }) => {
    seen.set(customer, [...(seen.get(customer) ?? []), [name, order]])
  }
  await instance.register('com.example.order.process', process, { _shard: 'order_processor', _shard_strategy: 'hash' })
  instances.push(instance)
}

const client = await connect()
const customers = ['ada', 'grace', 'alan', 'edsger', 'barbara']
const calls = []
for (const order of [1, 2, 3]) {
  for (const customer of customers) {
    calls.push(client.call('com.example.order.process', [{ customer, order }], { _shard_key: customer }))
  }
}
await Promise.all(calls)

for (const customer of customers) {
  const orders = seen.get(customer)
  const used = new Set(orders.map(([name]) => name)).size
  console.log(`${customer}: orders ${orders.map(([, order]) => order).join(', ')} at ${used} instance`)
}
try {
  await client.call('com.example.order.process', [{ customer: 'nobody', order: 4 }])
} catch (e) {
  console.log(`without a key: ${e.errorUri}`)
}
await Promise.all([...instances, client].map((session) => session.disconnect()))

// Prints:
// ada: orders 1, 2, 3 at 1 instance
// grace: orders 1, 2, 3 at 1 instance
// alan: orders 1, 2, 3 at 1 instance
// edsger: orders 1, 2, 3 at 1 instance
// barbara: orders 1, 2, 3 at 1 instance
// without a key: wamp.error.invalid_argument
