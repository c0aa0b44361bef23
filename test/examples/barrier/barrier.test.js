// node --test barrier/ (with WAMPGATE_TEST_POSTGRES=postgres://… also on PostgreSQL)
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import Database from 'libsql'
import pg from 'pg'
import { Dangling, postgres, schema, sqlite } from './barrier.js'

const tables = `${schema}; ${schema}; create table effect (transaction_id text, branch integer, op text)`
const leave = 'insert into effect values ($1, $2, $3)'
const left = 'select op from effect where transaction_id = $1 order by op'

// A database runs operations of branches: do(branch) and fail(branch), whose
// effect throws when it is done; on another connection as often as it can.
const databases = {
  sqlite() {
    const dir = mkdtempSync(join(tmpdir(), 'barrier-'))
    const connections = [1, 2].map(() => new Database(join(dir, 'test.db'), { timeout: 20000 }))
    let turn = 0
    const next = () => connections[turn++ % 2]
    const run = async (b, then) => {
      const db = next()
      return sqlite(db, b, () => {
        db.prepare(leave.replace(/\$\d/g, '?')).run(b.id, b.branch, b.op)
        return then(db)
      })
    }
    return {
      prepare: () => next().exec(tables),
      do: (b, then = () => {}) => run(b, then),
      effects: (id) => next().prepare(left.replace('$1', '?')).all(id).map(({ op }) => op),
      exec: (db, sql) => db.exec(sql),
      end() {
        for (const db of connections) db.close()
        rmSync(dir, { recursive: true })
      },
    }
  },
  postgres() {
    const pool = new pg.Pool({ connectionString: process.env.WAMPGATE_TEST_POSTGRES, options: '-c search_path=barrier_js' })
    const run = (b, then) =>
      postgres(pool, b, async (client) => {
        await client.query(leave, [b.id, b.branch, b.op])
        return then(client)
      })
    return {
      prepare: async () => pool.query(`drop schema if exists barrier_js cascade; create schema barrier_js; ${tables}`),
      do: (b, then = () => {}) => run(b, then),
      effects: async (id) => (await pool.query(left, [id])).rows.map(({ op }) => op),
      exec: (client, sql) => client.query(sql),
      end: () => pool.end(),
    }
  },
}

// Invocations of one branch, each with what becomes of it; with a "!" the
// effect fails. After the semicolon, the effects. As in barrier_test.go.
const sequences = {
  'duplicate action': 'action: done, action: duplicate, action: duplicate; action',
  compensation: 'action: done, compensate: done; action compensate',
  'duplicate compensation': 'action: done, compensate: done, compensate: duplicate; action compensate',
  'null compensation': 'compensate: null, compensate: duplicate; ',
  'dangling action': 'compensate: null, action: dangling, action: dangling; ',
  'duplicate after all': 'action: done, compensate: done, action: duplicate; action compensate',
  'refused action': 'action!: no funds, compensate: null, action: dangling; ',
  'action that fails once': 'action!: no funds, action: done; action',
  'compensation that fails once': 'action: done, compensate!: no funds, compensate: done; action compensate',
  confirmation: 'try: done, confirm: done, confirm: duplicate; confirm try',
  'confirmation that fails once': 'try: done, confirm!: no funds, confirm: done; confirm try',
  cancellation: 'try: done, cancel: done, cancel: duplicate; cancel try',
  'null cancellation': 'cancel: null, cancel: duplicate; ',
  'dangling try': 'cancel: null, try: dangling; ',
  'refused try': 'try!: no funds, cancel: null, try: dangling; ',
}

const noFunds = () => {
  throw new Error('no funds')
}

async function verdict(outcome) {
  try {
    return await outcome
  } catch (e) {
    return e instanceof Dangling ? 'dangling' : e.message
  }
}

for (const [name, open] of Object.entries(databases)) {
  const skip = name === 'postgres' && !process.env.WAMPGATE_TEST_POSTGRES && 'WAMPGATE_TEST_POSTGRES names no database'
  describe(name, { skip }, () => {
    let db
    before(async () => {
      db = open()
      await db.prepare()
    })
    after(() => db.end())

    // many runs the operations at once and counts what became of them.
    async function many(id, ops) {
      const count = {}
      await Promise.all(ops.map(async (op) => {
        const v = `${op}: ${await verdict(db.do({ id, branch: 1, op }))}`
        count[v] = (count[v] ?? 0) + 1
      }))
      return count
    }

    for (const [id, sequence] of Object.entries(sequences)) {
      test(id, async () => {
        const [steps, want] = sequence.split('; ')
        for (const step of steps.split(', ')) {
          const [, op, fails, want] = step.match(/^(\w+)(!?): (.*)$/)
          assert.equal(await verdict(db.do({ id, branch: 1, op }, fails ? noFunds : undefined)), want, step)
        }
        assert.equal((await db.effects(id)).join(' '), want)
      })
    }

    test('branches, transactions and unknown operations', async () => {
      for (const [id, branch] of [['a', 1], ['a', 2], ['b', 1]]) assert.equal(await db.do({ id, branch, op: 'action' }), 'done')
      for (const op of ['commit', 'toString']) {
        assert.equal(await verdict(db.do({ id: 'c', branch: 1, op })), `barrier: unknown operation ${op}`)
      }
      assert.deepEqual(await db.effects('c'), [])
    })

    test('concurrent duplicates', async () => {
      for (const ops of [['action', 'compensate'], ['try', 'cancel'], ['try', 'confirm']]) {
        const id = `concurrent ${ops}`
        for (const op of ops) assert.deepEqual(await many(id, Array(6).fill(op)), { [`${op}: done`]: 1, [`${op}: duplicate`]: 5 })
        assert.equal((await db.effects(id)).length, 2)
      }
    })

    test('action and compensation at once', async () => {
      for (let round = 0; round < 20; round++) {
        const count = await many(`race ${round}`, ['action', 'compensate', 'action', 'compensate'])
        const effects = (await db.effects(`race ${round}`)).join(' ')
        const undone = { 'action: done': 1, 'action: duplicate': 1, 'compensate: done': 1, 'compensate: duplicate': 1 }
        const never = { 'action: dangling': 2, 'compensate: null': 1, 'compensate: duplicate': 1 }
        assert.deepEqual(count, effects ? undone : never)
      }
    })

    test('an effect that hides that a statement failed', async () => {
      const hide = async (connection) => {
        try {
          await db.exec(connection, 'insert into nowhere values (1)')
        } catch {}
      }
      await assert.rejects(db.do({ id: 'hidden', branch: 1, op: 'action' }, hide))
      assert.deepEqual(await db.effects('hidden'), [])
    })
  })
}
