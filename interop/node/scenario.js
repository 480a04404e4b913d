// What the program needs besides the client: the records it must carry, comparisons, and waits that end.
'use strict'

const { randomBytes } = require('node:crypto')
const { isDeepStrictEqual, inspect } = require('node:util')

const PATIENCE = 25000
const PARTITIONS = 3

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const unique = what => `interop-kafkajs-${what}-${randomBytes(4).toString('hex')}`

function check(holds, message) {
  if (!holds) throw new Error(message)
}

function equal(found, expected, what) {
  const shown = value => inspect(value, { breakLength: Infinity }).slice(0, 300)
  check(isDeepStrictEqual(found, expected), `${what}: ${shown(found)} instead of ${shown(expected)}`)
}

async function until(what, come) {
  for (const deadline = Date.now() + PATIENCE; !(await come()); await sleep(20)) {
    check(Date.now() < deadline, `waited too long for ${what}`)
  }
}

// Null and empty, text and bytes, small and large. Headers of the same name are an array; null headers it cannot send.
function samples() {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const empty = Buffer.alloc(0)
  const bytes = text => Buffer.from(text)
  const many = { a: [bytes('1'), bytes('2')], empty, bytes: every }
  const parts = [
    [bytes('key'), bytes('value')],
    [null, bytes('no key')],
    [bytes('tombstone'), null],
    [empty, empty],
    [null, empty, { one: bytes('1') }],
    [Buffer.from([255, 0, 254]), every],
    [bytes('headers'), bytes('v'), many],
    [bytes('schlüssel'), bytes('wert ✓'), { 'name ü': bytes('ü') }],
    [bytes('large'), bytes('0123456789abcdef'.repeat(6400))],
  ]
  for (let n = 0; n < 90; n++) parts.push([bytes(`n${n}`), bytes(`a value that repeats itself ${n}`)])
  return parts.map(([key, value, headers = {}], n) => ({ partition: n % PARTITIONS, key, value, headers }))
}

// Records that have their number as value.
function numbered(start, count, partitions) {
  const number = (_, i) => ({ partition: (start + i) % partitions, key: null, value: Buffer.from(`${start + i}`), headers: {} })
  return Array.from({ length: count }, number)
}

const numbers = records => [...new Set(records.map(record => Number(record.value)))].sort((a, b) => a - b)

// Compares by partition, which is where order is promised.
function sameRecords(found, expected, what) {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const [got, wanted] = [found, expected].map(records => records.filter(record => record.partition === partition))
    equal(got.length, wanted.length, `${what}: records in partition ${partition}`)
    got.forEach((record, n) => equal(record, wanted[n], `${what}: record ${n} of partition ${partition}`))
  }
}

// Runs what the command line names; `scenarios` maps each name to a function, or to why there is none.
async function main(scenarios) {
  const [bootstrap, ...names] = process.argv.slice(2)
  const say = (scenario, ok, detail) => console.log(JSON.stringify({ scenario, ok, detail }))
  for (const name of names) {
    const scenario = scenarios[name] || 'not a scenario of this program'
    if (typeof scenario === 'string') {
      say(name, null, scenario)
      continue
    }
    try {
      say(name, true, (await scenario(bootstrap)) || '')
    } catch (error) {
      console.error(error)
      say(name, false, `${error.name}: ${error.message}`)
    }
  }
  // Clients that a failed scenario has left open would go on.
  process.exit(0)
}

module.exports = { PARTITIONS, check, equal, main, numbered, numbers, samples, sameRecords, sleep, unique, until }
