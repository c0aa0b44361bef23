// The bank of main.go in JavaScript: a callee that takes part in transactions
// of wampgate, with accounts in PostgreSQL or SQLite. See README.md.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Database from 'libsql'
import pg from 'pg'
import { Wampy } from 'wampy'
import WebSocket from 'ws'
import { Dangling, postgres, schema as barrierSchema, sqlite } from '../barrier/barrier.js'

const { values: flags } = parseArgs({
  options: {
    db: { type: 'string', default: 'bank.db' }, // file of SQLite, or postgres://…
    accounts: { type: 'string', default: 'alice=100,bob=100' }, // opened unless they are there
    name: { type: 'string', default: 'bank' }, // what the URIs begin with
    crash: { type: 'string', default: '0' }, // end the process after this share of the work, before the answer
    slow: { type: 'string', default: '' }, // an account for which actions and tries begin a second late
  },
})
const url = process.env.WAMP_URL ?? 'ws://localhost:8080/ws'
const schema = barrierSchema + readFileSync(new URL('schema.sql', import.meta.url), 'utf8')
const concurrency = 16 // invocations of a procedure at once; the gateway lets others wait

// A Refusal is an error with a URI for the caller.
class Refusal extends Error {
  constructor(error, text) {
    super(text)
    this.error = error
    this.argsList = [text]
  }
}

// A database has query(sql, values), which returns the rows, and
// once(branch, statements, refusal): the statements within the barrier, where
// one that changes nothing refuses all.
async function openPostgres(connectionString) {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number)
  const pool = new pg.Pool({ connectionString, max: 8 })
  await pool.query(schema)
  return {
    query: async (sql, values) => (await pool.query(sql, values)).rows,
    once: (branch, statements, refusal) =>
      postgres(pool, branch, async (client) => {
        for (const statement of statements) if ((await client.query(...statement)).rowCount === 0) throw refusal
      }),
  }
}

// In SQLite a commit is on the disk before it is answered: synchronous is FULL
// unless one says otherwise.
function openSqlite(file) {
  const db = new Database(file, { timeout: 10_000 })
  db.pragma('journal_mode = wal')
  db.exec(schema)
  const prepare = (sql) => db.prepare(sql.replace(/\$/g, '?'))
  const named = (values) => Object.fromEntries(values.map((value, n) => [n + 1, value]))
  return {
    query: (sql, values) => prepare(sql).all(named(values)),
    once: (branch, statements, refusal) =>
      sqlite(db, branch, () => {
        for (const [sql, values] of statements) if (prepare(sql).run(named(values)).changes === 0) throw refusal
      }),
  }
}

const db = await (flags.db.startsWith('postgres:') ? openPostgres : openSqlite)(flags.db)
for (const account of flags.accounts.split(',')) {
  const [id, free] = account.split('=')
  await db.query('insert into account (id, free) values ($1, $2) on conflict do nothing', [id, Number(free)])
}

// What an operation adds to an account, in amounts of the call. An action or a
// try may be refused; nothing else may.
const changes = {
  debit: { action: { free: -1 }, compensate: { free: +1 } },
  credit: { action: { free: +1 }, compensate: { free: -1 } }, // even if it was spent meanwhile
  reserve: { try: { free: -1, held: +1 }, confirm: { held: -1 }, cancel: { free: +1, held: -1 } },
  expect: { try: {}, confirm: { free: +1 }, cancel: {} },
}

// change serves an operation of a transaction: (account, amount).
async function change(ops, { details: { transaction: branch }, argsList: [account, amount] }) {
  if (!branch) throw new Refusal('wamp.error.not_authorized', 'only within a transaction')
  if (typeof account !== 'string' || !Number.isInteger(amount) || amount <= 0) {
    throw new Refusal('wamp.error.invalid_argument', 'wants an account and an amount')
  }
  const { id, branch: number, op, attempt } = branch
  const first = op === 'action' || op === 'try'
  if (first && account === flags.slow) await pause(1000)
  const { free = 0, held = 0 } = ops[op]
  const [f, h] = [free * amount, held * amount]
  const update = `update account set free = free + $1, held = held + $2 where id = $3${first ? ' and free + $1 >= 0' : ''}`
  const insert = 'insert into movement (transaction_id, branch, op, account, free, held) values ($1, $2, $3, $4, $5, $6)'
  const refusal = new Refusal('bank.error.refused', `no account ${account} that can do ${op} of ${amount}`)
  let outcome
  try {
    outcome = await db.once(branch, [[update, [f, h, account]], [insert, [id, number, op, account, f, h]]], refusal)
  } catch (e) {
    if (e instanceof Dangling) outcome = 'dangling'
    throw e
  } finally {
    if (outcome && outcome !== 'done') console.log(`${flags.name} barrier: ${id} branch ${number} attempt ${attempt}: ${outcome} ${op}`)
    if (Math.random() < Number(flags.crash)) process.exit(3)
  }
  return { argsList: [outcome] }
}

// balance returns what of an account is free and what is held.
async function balance({ argsList: [account] }) {
  const [row] = await db.query('select free, held from account where id = $1', [account])
  if (!row) throw new Refusal('bank.error.refused', `no account ${account}`)
  return { argsList: [row.free, row.held] }
}

// statement sums up what was done for transactions, in lists of (transaction,
// branch, op, how often, free, held): up to 1000 behind (transaction, branch, op).
async function statement({ argsList: after }) {
  const rows = await db.query(
    `select transaction_id, branch, op, count(*) as count, cast(sum(free) as bigint) as free, cast(sum(held) as bigint) as held
      from movement where (transaction_id, branch, op) > ($1, $2, $3)
      group by transaction_id, branch, op order by transaction_id, branch, op limit 1000`,
    after,
  )
  return { argsList: [rows.map((row) => [row.transaction_id, row.branch, row.op, row.count, row.free, row.held])] }
}

// serve opens a session and resolves when the connection has ended. The next
// session gets a Wampy of its own: one that reconnects would send the answers
// to invocations of before, whose numbers mean others now.
async function serve() {
  const closed = Promise.withResolvers?.() ?? {}
  closed.promise ??= new Promise((resolve) => (closed.resolve = resolve))
  const wampy = new Wampy(url, { realm: 'realm1', ws: WebSocket, autoReconnect: false, onClose: closed.resolve, onError: closed.resolve })
  // What wampy waits for is never settled if the connection ends meanwhile.
  const limit = setTimeout(closed.resolve, 10_000)
  const open = join(wampy)
  open.catch(() => {}) // whoever is not waited for any more may fail
  try {
    await Promise.race([open, closed.promise])
  } finally {
    clearTimeout(limit)
  }
  await closed.promise
}

// join opens the session of wampy and registers everything.
async function join(wampy) {
  await wampy.connect()
  const options = { invoke: 'roundrobin', _concurrency: concurrency }
  const registering = [
    wampy.register(`${flags.name}.balance`, balance, options),
    wampy.register(`${flags.name}.statement`, statement, options),
  ]
  for (const [name, ops] of Object.entries(changes)) {
    const uri = `${flags.name}.${name}`
    const others = Object.keys(ops).filter((op) => op !== 'action' && op !== 'try')
    for (const op of others) registering.push(wampy.register(`${uri}.${op}`, (i) => change(ops, i), options))
    const transaction = Object.fromEntries(others.map((op) => [op, `${uri}.${op}`]))
    registering.push(wampy.register(uri, (i) => change(ops, i), { ...options, _transaction: transaction }))
  }
  await Promise.all(registering)
  console.log(flags.name, 'is open')
}

for (;;) {
  try {
    await serve()
    console.log(flags.name, 'has no session')
  } catch (e) {
    console.log(flags.name, e.message ?? e)
  }
  await pause(50 + Math.random() * 50)
}
