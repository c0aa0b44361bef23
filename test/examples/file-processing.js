// Progress: a long job says how far it is, and its caller shows it. Callers that
// do not ask for progress get the result alone.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from './connect.js'

const service = await connect()
await service.register('com.example.image.scale', async ({ argsList: [file], result_handler }) => {
  for (const percent of [25, 50, 75]) {
    await sleep(10) // the work
    result_handler({ argsList: [percent], options: { progress: true } })
  }
  return { argsDict: { file, width: 640 } }
})

const client = await connect()
const { argsDict } = await client.call('com.example.image.scale', ['photo.png'], {
  progress_callback: ({ argsList: [percent] }) => console.log(`${percent} %`),
})
console.log(`${argsDict.file} is now ${argsDict.width} pixels wide`)

const quiet = await client.call('com.example.image.scale', ['icon.png'])
console.log(`${quiet.argsDict.file} is done`)
await Promise.all([service.disconnect(), client.disconnect()])

// Prints:
// 25 %
// 50 %
// 75 %
// photo.png is now 640 pixels wide
// icon.png is done
