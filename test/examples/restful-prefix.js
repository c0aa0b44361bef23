// A RESTful service: one prefix registration serves all resources and methods
// below it, and details.procedure says which one is meant.
import { connect } from './connect.js'

const users = new Map([[1, { name: 'Ada' }]])
const handlers = {
  users: {
    list: () => [...users.keys()],
    get: ([id]) => users.get(id) ?? fail('com.example.error.not_found', `no user ${id}`),
    create: (args, { name }) => {
      users.set(users.size + 1, { name })
      return users.size
    },
  },
  status: { get: () => 'fine' },
}

function fail(error, text) {
  throw { error, argsList: [text] }
}

const service = await connect()
await service.register(
  'com.example.rest',
  ({ details, argsList, argsDict }) => {
    const [resource, operation] = details.procedure.split('.').slice(3)
    const handler = handlers[resource]?.[operation]
    if (!handler) fail('com.example.error.not_found', `no ${details.procedure}`)
    return { argsList: [handler(argsList ?? [], argsDict ?? {})] }
  },
  { match: 'prefix' },
)

const client = await connect()

async function show(path, payload) {
  try {
    const { argsList } = await client.call(`com.example.rest.${path}`, payload)
    console.log(path, JSON.stringify(argsList[0]))
  } catch (e) {
    console.log(path, e.errorUri, e.argsList[0])
  }
}

await show('users.create', { name: 'Grace' })
await show('users.list')
await show('users.get', [2])
await show('users.get', [3])
await show('status.get')
await show('orders.list')
await Promise.all([service.disconnect(), client.disconnect()])

// Prints:
// users.create 2
// users.list [1,2]
// users.get {"name":"Grace"}
// users.get com.example.error.not_found no user 3
// status.get "fine"
// orders.list com.example.error.not_found no com.example.rest.orders.list
