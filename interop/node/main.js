// kafkajs through every scenario: node main.js BOOTSTRAP SCENARIO…
'use strict'

const { ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')

const codecs = require('./codecs')
const scenario = require('./scenario')
const { PARTITIONS, check, equal, numbered, numbers, sameRecords, samples, sleep, unique, until } = scenario

const GROUP_PARTITIONS = 4

const connect = bootstrap => new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR, retry: { initialRetryTime: 100 } })

async function adminOf(bootstrap) {
  const admin = connect(bootstrap).admin()
  await admin.connect()
  return admin
}

async function create(bootstrap, topic, numPartitions) {
  const admin = await adminOf(bootstrap)
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1 }] })
  return admin
}

async function producer(bootstrap, settings = {}) {
  const client = connect(bootstrap).producer(settings)
  await client.connect()
  return client
}

const send = (client, topic, messages, compression) => client.send({ topic, messages, compression, acks: -1 })

const neutral = (partition, { key, value, headers }) => ({ partition, key, value, headers: { ...headers } })

// A consumer of a group; kafkajs hands records over as they come, and knows no other consumers.
class Member {
  constructor(bootstrap, groupId, settings = {}) {
    this.found = []
    this.owned = []
    this.next = new Map()
    const consumer = { groupId, heartbeatInterval: 300, maxWaitTimeInMs: 100, retry: { retries: 10 }, ...settings }
    this.client = connect(bootstrap).consumer(consumer)
    this.client.on(this.client.events.GROUP_JOIN, ({ payload }) => {
      this.owned = Object.values(payload.memberAssignment).flat()
    })
    this.client.on(this.client.events.REBALANCING, () => {
      this.owned = []
    })
  }

  async join(topic) {
    this.topic = topic
    await this.client.connect()
    await this.client.subscribe({ topic, fromBeginning: true })
    await this.client.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        this.found.push(neutral(partition, message))
        this.next.set(partition, Number(message.offset) + 1)
      },
    })
    return this
  }

  async commit() {
    const offsets = [...this.next].map(([partition, offset]) => ({ topic: this.topic, partition, offset: `${offset}` }))
    if (offsets.length > 0) await this.client.commitOffsets(offsets)
    this.next.clear()
  }

  async close() {
    await this.client.disconnect()
    return this.found
  }
}

// Everything in the topic: `count` records, and none in the half second after them.
async function read(bootstrap, topic, count, settings) {
  const member = await new Member(bootstrap, unique('reader'), settings).join(topic)
  await until(`${count} records`, () => member.found.length >= count)
  await sleep(500)
  equal(member.found.length, count, 'records read')
  return member.close()
}

async function everyCodec(bootstrap) {
  const used = []
  for (const [codec, number] of Object.entries(codecs)) {
    const topic = unique(codec)
    await create(bootstrap, topic, PARTITIONS)
    await send(await producer(bootstrap), topic, samples(), number)
    sameRecords(await read(bootstrap, topic, samples().length), samples(), codec)
    used.push(`${codec}=${topic}`)
  }
  return used.join(' ')
}

async function idempotent(bootstrap) {
  const topic = unique('idempotent')
  await create(bootstrap, topic, PARTITIONS)
  const client = await producer(bootstrap, { idempotent: true, maxInFlightRequests: 1 })
  const records = numbered(0, 400, PARTITIONS)
  for (let n = 0; n < records.length; n += 20) await send(client, topic, records.slice(n, n + 20))
  sameRecords(await read(bootstrap, topic, records.length), records, 'idempotent')
}

// Waits until the members share all partitions evenly.
async function settle(...members) {
  await until(`the assignment to ${members.length}`, () => {
    const even = members.every(member => member.owned.length === GROUP_PARTITIONS / members.length)
    return even && new Set(members.flatMap(member => member.owned)).size === GROUP_PARTITIONS
  })
}

// Two members share, one leaves, the other takes over; a third starts where they committed.
async function group(bootstrap) {
  const [topic, name] = [unique('group'), unique('group')]
  await create(bootstrap, topic, GROUP_PARTITIONS)
  const source = await producer(bootstrap)
  const join = () => new Member(bootstrap, name).join(topic)
  const first = await join()
  await settle(first)
  const second = await join()
  await settle(first, second)
  const all = () => [...first.found, ...second.found]
  await send(source, topic, numbered(0, 40, GROUP_PARTITIONS))
  await until('40 records of the group', () => numbers(all()).length >= 40)
  check(first.found.length > 0 && second.found.length > 0, 'one member got everything')
  await Promise.all([first.commit(), second.commit()])
  await second.close()
  await settle(first)
  await send(source, topic, numbered(40, 40, GROUP_PARTITIONS))
  await until('80 records of the group', () => numbers(all()).length >= 80)
  equal(all().length, 80, 'records, each once')
  await first.commit()
  await first.close()
  await send(source, topic, numbered(80, 8, GROUP_PARTITIONS))
  const third = await join()
  await until('the records after the committed offsets', () => third.found.length >= 8)
  equal(numbers(await third.close()), [80, 81, 82, 83, 84, 85, 86, 87], 'records after the committed offsets')
}

async function transactions(bootstrap) {
  const [topic, source, transactionalId] = [unique('txn'), unique('txn'), unique('txn')]
  const admin = await create(bootstrap, topic, PARTITIONS)
  await create(bootstrap, source, 1)
  const settings = { transactionalId, idempotent: true, maxInFlightRequests: 1 }
  const client = await producer(bootstrap, settings)
  const inOne = async (commit, work) => {
    const transaction = await client.transaction()
    await work(transaction)
    await (commit ? transaction.commit() : transaction.abort())
  }
  for (const start of [0, 10, 20, 30]) {
    await inOne(start % 20 === 0, transaction => send(transaction, topic, numbered(start, 10, PARTITIONS)))
  }
  for (const [offset, commit] of [['3', true], ['5', false]]) {
    const topics = [{ topic: source, partitions: [{ partition: 0, offset }] }]
    await inOne(commit, transaction => transaction.sendOffsets({ consumerGroupId: transactionalId, topics }))
    // A transaction has ended a moment before its offsets are put in place.
    await until('the offset committed in a transaction', async () => {
      const [found] = await admin.fetchOffsets({ groupId: transactionalId, topics: [source] })
      return found.partitions[0].offset === '3'
    })
  }
  const committed = [...numbered(0, 10, PARTITIONS), ...numbered(20, 10, PARTITIONS)]
  sameRecords(await read(bootstrap, topic, 20), committed, 'read_committed')
  sameRecords(await read(bootstrap, topic, 40, { readUncommitted: true }), numbered(0, 40, PARTITIONS), 'read_uncommitted')
  await fenced(bootstrap, client, settings, topic)
}

// A second producer of the same name shuts the first one out.
async function fenced(bootstrap, old, settings, topic) {
  const transaction = await old.transaction()
  await (await (await producer(bootstrap, settings)).transaction()).abort()
  try {
    await send(transaction, topic, numbered(40, 1, PARTITIONS))
    await transaction.commit()
  } catch (error) {
    return
  }
  check(false, 'a fenced producer could commit')
}

async function admin(bootstrap) {
  const topic = unique('admin')
  const client = await adminOf(bootstrap)
  const configEntries = [{ name: 'retention.ms', value: '3600000' }]
  const made = { waitForLeaders: true, topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] }
  equal(await client.createTopics(made), true, 'creation')
  equal(await client.createTopics(made), false, 'second creation')
  const partitions = async () => (await client.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
  equal(await partitions(), 2, 'partitions')
  await client.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  await until('4 partitions', async () => (await partitions()) === 4)
  await configs(client, topic)
  await send(await producer(bootstrap), topic, numbered(0, 40, 4))
  await groupAdmin(bootstrap, client, topic)
  await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
  const low = (await client.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0).low
  equal(low, '4', 'low watermark')
  check((await client.describeCluster()).brokers.length > 0, 'no broker in the cluster')
  await client.deleteTopics({ topics: [topic] })
  await until('the end of the topic', async () => !(await client.listTopics()).includes(topic))
}

async function configs(client, topic) {
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  const described = async () => {
    const { resources } = await client.describeConfigs({ includeSynonyms: false, resources: [resource] })
    return resources[0].configEntries.find(({ configName }) => configName === 'retention.ms').configValue
  }
  equal(await described(), '3600000', 'retention.ms')
  const changed = { ...resource, configEntries: [{ name: 'retention.ms', value: '7200000' }] }
  await client.alterConfigs({ validateOnly: false, resources: [changed] })
  await until('the new setting', async () => (await described()) === '7200000')
}

async function groupAdmin(bootstrap, client, topic) {
  const groupId = unique('admin')
  const member = await new Member(bootstrap, groupId).join(topic)
  await settle(member)
  const [described] = (await client.describeGroups([groupId])).groups
  equal([described.state, described.members.length], ['Stable', 1], 'group')
  await member.close()
  await client.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '7' }] })
  const [found] = await client.fetchOffsets({ groupId, topics: [topic] })
  equal(found.partitions.find(({ partition }) => partition === 1).offset, '7', 'offset of the group')
  const listed = async () => (await client.listGroups()).groups.some(group => group.groupId === groupId)
  check(await listed(), 'the group is not listed')
  await client.deleteGroups([groupId])
  check(!(await listed()), 'the group is still listed')
}

async function timestamps(bootstrap) {
  const [topic, start] = [unique('time'), Date.now() - 100000]
  const client = await create(bootstrap, topic, 1)
  const messages = Array.from({ length: 10 }, (_, n) => ({ value: 'x', timestamp: `${start + n * 1000}` }))
  await send(await producer(bootstrap), topic, messages)
  for (const [moment, expected] of [[0, '0'], [3000, '3'], [3001, '4'], [9000, '9'], [9001, '10']]) {
    const [found] = await client.fetchTopicOffsetsByTimestamp(topic, start + moment)
    equal(found.offset, expected, `offset at ${moment}`)
  }
  const [ends] = await client.fetchTopicOffsets(topic)
  equal([ends.low, ends.high], ['0', '10'], 'first offset and end')
}

scenario.main({
  codecs: everyCodec,
  idempotent,
  group,
  static: 'kafkajs 2.2 does not have it',
  cooperative: 'kafkajs 2.2 does not have it',
  'consumer-protocol': 'kafkajs 2.2 does not have it',
  share: 'kafkajs 2.2 does not have it',
  transactions,
  admin,
  timestamps,
})
