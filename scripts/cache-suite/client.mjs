// Runs the suite through a proxy, all of it or the tests named; what it found goes to stdout, as JSON. With --dump the
// exchanges go to stderr.
//
//   node client.mjs PACKAGE URL [--dump] [ID…]

import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, url, ...rest] = process.argv.slice(2)
const dump = rest[0] === '--dump'
const only = rest.slice(dump ? 1 : 0)
const module = name => import(pathToFileURL(path.join(folder, name)))
const { runTests, getResults } = await module('client/runner.mjs')
const suites = [
  ...(await module('tests/index.mjs')).default,
  (await module('tests/surrogate-control.mjs')).default
]
const fetchAll = createRequire(path.join(folder, 'package.json'))('node-fetch')
// A request that is never answered is its test's failure, not the end of the run.
const fetch = (url, init) => fetchAll(url, { timeout: 15_000, ...init })

const chosen = test => !test.browser_only && (only.length === 0 || only.includes(test.id))
const running = suites.map(suite => ({ ...suite, tests: suite.tests.filter(chosen) }))
const tests = suites.flatMap(suite => suite.tests.filter(test => !test.browser_only).map(test => ({
  id: test.id,
  suite: suite.id,
  kind: test.kind ?? 'required',
  needs: test.depends_on ?? []
})))
for (const suite of running) for (const test of suite.tests) test.dump = dump

console.log = console.error
await runTests(running, fetch, false, url)
process.stdout.write(JSON.stringify({ tests, results: getResults() }))
