// Middleware: a wildcard registration logs every operation and calls on. An
// empty component of a pattern matches any one component.
import { connect } from './connect.js'

const users = await connect()
await users.register('com.example.users', ({ argsList: [id] }) => ({ argsList: [`user ${id}`] }))
const orders = await connect()
await orders.register('com.example.orders', ({ argsDict: { from, to } }) => ({ argsList: [`orders ${from} to ${to}`] }))

const middleware = await connect()
await middleware.register(
  'com.example..log',
  async ({ details, argsList = [], argsDict }) => {
    console.log(`logged: ${details.procedure} ${JSON.stringify(argsDict ?? argsList)}`)
    try {
      return await middleware.call(details.procedure.replace(/\.log$/, ''), { argsList, argsDict })
    } catch ({ errorUri, argsList, argsDict }) {
      throw { error: errorUri, argsList, argsDict } // errors go back as they came
    }
  },
  { match: 'wildcard' },
)

const client = await connect()
console.log((await client.call('com.example.users.log', [7])).argsList[0])
console.log((await client.call('com.example.orders.log', { from: 1, to: 3 })).argsList[0])
try {
  await client.call('com.example.products.log')
} catch (e) {
  console.log(e.errorUri)
}
await Promise.all([users, orders, middleware, client].map((session) => session.disconnect()))

// Prints:
// logged: com.example.users.log [7]
// user 7
// logged: com.example.orders.log {"from":1,"to":3}
// orders 1 to 3
// logged: com.example.products.log []
// wamp.error.no_such_procedure
