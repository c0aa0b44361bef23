// A provider of OpenID Connect on loopback, with ada for its one client. It
// prints where it is, and for each line of its input an access token. The
// packages are in the folder that is its argument.
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const { default: Provider } = await import(pathToFileURL(`${process.argv[2]}/oidc-provider/lib/index.js`))

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'ada', client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:wampgate',
        getResourceServerInfo: () => ({ scope: 'call', audience: 'wampgate', accessTokenFormat: 'jwt', accessTokenTTL: 300 }),
      },
    },
    extraTokenClaims: () => ({ groups: ['everybody', 'staff'] }),
  })
  server.on('request', provider.callback())
  console.log(issuer)
  createInterface({ input: process.stdin }).on('line', async () => {
    const answer = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('ada:secret')}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials&scope=call',
    })
    console.log((await answer.json()).access_token)
  }).on('close', () => process.exit())
})
