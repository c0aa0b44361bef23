// Automatic failover: an instance that crashes gets no further calls, one that
// starts gets its share. Each instance is a process of its own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from './connect.js'

const [name] = process.argv.slice(2)
if (name) await serve(name)
else await main()

async function serve(name) {
  const instance = await connect()
  await instance.register('com.example.work', () => ({ argsList: [name] }), { invoke: 'roundrobin' })
  process.send('ready')
  process.on('disconnect', () => process.exit()) // the parent has gone
}

async function start(name) {
  const instance = fork(new URL(import.meta.url), [name])
  await once(instance, 'message')
  return instance
}

async function main() {
  const instances = [await start('instance 1'), await start('instance 2'), await start('instance 3')]
  const client = await connect()

  // A call that was under way when its callee crashed fails with "canceled". It
  // may have been executed, so it is up to the caller whether to repeat it.
  async function work() {
    for (;;) {
      try {
        return console.log((await client.call('com.example.work')).argsList[0])
      } catch (e) {
        if (e.errorUri !== 'wamp.error.canceled') throw e
      }
    }
  }

  for (let i = 0; i < 3; i++) await work()
  console.log('instance 1 crashes')
  instances.shift().kill('SIGKILL')
  for (let i = 0; i < 3; i++) await work()
  console.log('instance 4 starts')
  instances.push(await start('instance 4'))
  for (let i = 0; i < 3; i++) await work()

  for (const instance of instances) instance.kill()
  await client.disconnect()
}

// Prints:
// instance 1
// instance 2
// instance 3
// instance 1 crashes
// instance 2
// instance 3
// instance 2
// instance 4 starts
// instance 3
// instance 4
// instance 2
