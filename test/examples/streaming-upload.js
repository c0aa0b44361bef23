// Streaming upload: a progressive call sends its arguments in chunks, and the
// callee confirms each. wampy runs the handler once for each chunk and does not
// tell calls apart, so this service tells uploads apart by their name.
import { connect } from './connect.js'

const uploads = new Map() // name → bytes so far
const service = await connect()
await service.register('com.example.upload', ({ argsList: [name, chunk], details }) => {
  const size = (uploads.get(name) ?? 0) + chunk.length
  uploads.set(name, size)
  if (details.progress) return { argsList: [size], options: { progress: true } } // more to come
  uploads.delete(name)
  return { argsList: [`${name}: ${size} bytes`] }
})

const client = await connect()
const upload = client.progressiveCall('com.example.upload', ['notes.txt', 'first line\n'], {
  progress_callback: ({ argsList: [size] }) => console.log(`${size} bytes have arrived`),
})
upload.sendData(['notes.txt', 'second line\n'])
upload.sendData(['notes.txt', 'third and last line\n'], { progress: false })
console.log((await upload.result).argsList[0])
await Promise.all([service.disconnect(), client.disconnect()])

// Prints:
// 11 bytes have arrived
// 23 bytes have arrived
// notes.txt: 43 bytes
