// Search as you type: each key press cancels the search before it, and only the
// last one shows results.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from './connect.js'

const service = await connect()
const titles = ['water', 'wampum', 'wamp in practice']
await service.register('com.example.search', async ({ argsList: [text] }) => {
  await sleep(200) // a search takes its time
  return { argsList: titles.filter((title) => title.startsWith(text)) }
})

const browser = await connect()
let lastSearch = null

async function search(text) {
  if (lastSearch) browser.cancel(lastSearch, { mode: 'kill' })
  const answer = browser.call('com.example.search', [text])
  const id = (lastSearch = browser.getOpStatus().reqId)
  try {
    const { argsList } = await answer
    console.log(`${text}: ${argsList.join(', ')}`)
  } catch (e) {
    if (e.errorUri !== 'wamp.error.canceled') throw e
    console.log(`${text}: canceled`)
  } finally {
    if (lastSearch === id) lastSearch = null
  }
}

await Promise.all([search('w'), search('wa'), search('wamp')])
await Promise.all([service.disconnect(), browser.disconnect()])

// Prints:
// w: canceled
// wa: canceled
// wamp: wampum, wamp in practice
