// Round robin: the instances of a service take turns.
import { connect } from './connect.js'

const instances = []
for (const name of ['instance 1', 'instance 2', 'instance 3']) {
  const instance = await connect()
  const process = ({ argsList }) => ({ argsList: [`${argsList[0]} by ${name}`] })
  await instance.register('com.example.image.process', process, { invoke: 'roundrobin' })
  instances.push(instance)
}

const client = await connect()
for (const image of ['a.png', 'b.png', 'c.png', 'd.png']) {
  const { argsList } = await client.call('com.example.image.process', [image])
  console.log(argsList[0])
}
await Promise.all([...instances, client].map((session) => session.disconnect()))

// Prints:
// a.png by instance 1
// b.png by instance 2
// c.png by instance 3
// d.png by instance 1
