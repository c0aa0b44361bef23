import { Wampy } from 'wampy'
import WebSocket from 'ws'

// connect opens a session with the gateway that WAMP_URL points to, else with
// that of "go run ./cmd/wampgate dev".
export async function connect() {
  const url = process.env.WAMP_URL ?? 'ws://localhost:8080/ws'
  const wampy = new Wampy(url, { realm: 'realm1', ws: WebSocket })
  await wampy.connect()
  return wampy
}
