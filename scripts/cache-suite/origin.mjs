// The suite's origin on one loopback port. The package's own server listens on every address.
//
//   node origin.mjs PACKAGE PORT

import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, port] = process.argv.slice(2)
const handler = async name => (await import(pathToFileURL(path.join(folder, 'server', name)))).default
const handlers = new Map([
  ['config', await handler('handle-config.mjs')],
  ['state', await handler('handle-state.mjs')],
  ['test', await handler('handle-test.mjs')]
])

const server = http.createServer((request, response) => {
  const [kind, ...rest] = new URL(request.url, 'http://127.0.0.1').pathname.split('/').slice(1)
  const handle = handlers.get(kind)
  if (handle) return handle(rest, request, response)
  response.writeHead(404).end()
})
server.listen(Number(port), '127.0.0.1', () => console.log('ready'))
