// Makes a procedure safe to take part in transactions of wampgate: what it does
// to a database happens once, however often and in whatever order its
// invocations come. README.md tells the rules.
//
//   postgres(pool, details.transaction, async (client) => {...})  with pg
//   sqlite(db, details.transaction, () => {...})                  with libsql or better-sqlite3
//
// Both begin a database transaction, run the effect in it if that is to be run,
// and commit. They return 'done', 'duplicate' (the effect was there before) or
// 'null' (a compensate or cancel of what never happened and never will); all
// three are answered with a RESULT. What they throw is answered with an ERROR,
// and then nothing was done (or nobody knows, if the connection to PostgreSQL
// ended during the commit). pg needs isolation READ COMMITTED, the default.
import { readFileSync } from 'node:fs'

// schema makes the table wampgate_barrier unless it is there.
export const schema = readFileSync(new URL('schema.sql', import.meta.url), 'utf8')

// A Dangling says that an action or a try came after its transaction had been
// rolled back. wampy makes an ERROR with this URI of it.
export class Dangling extends Error {
  error = 'wampgate.error.dangling'
  argsList = ['the transaction was rolled back before']
}

const insert = `insert into wampgate_barrier (transaction_id, branch, op, by_op) values ($1, $2, $3, $4) on conflict do nothing`
const select = `select by_op from wampgate_barrier where transaction_id = $1 and branch = $2 and op = $3`
const undone = { compensate: 'action', cancel: 'try' }

// rules yields statements, is given { changes, rows } of each, and returns what
// is to be done. It knows of no database, and not whether one has to wait for it.
function* rules({ id, branch, op }) {
  if (!['action', 'compensate', 'try', 'confirm', 'cancel'].includes(op)) throw new Error(`barrier: unknown operation ${op}`)
  const isNull = op in undone && (yield [insert, [id, branch, undone[op], op]]).changes > 0
  if ((yield [insert, [id, branch, op, op]]).changes > 0) return isNull ? 'null' : 'done'
  const { rows } = yield [select, [id, branch, op]]
  if (rows[0].by_op !== op) throw new Dangling()
  return 'duplicate'
}

// postgres runs effect(client) at most once; pool is a pg.Pool.
export async function postgres(pool, transaction, effect) {
  const client = await pool.connect()
  let broken
  try {
    await client.query('begin')
    const steps = rules(transaction)
    let step = steps.next()
    while (!step.done) {
      const { rowCount, rows } = await client.query(...step.value)
      step = steps.next({ changes: rowCount, rows })
    }
    if (step.value === 'done') await effect(client)
    // COMMIT of a transaction in which a statement failed says ROLLBACK, and does it.
    if ((await client.query('commit')).command !== 'COMMIT') throw new Error('barrier: the effect hid that a statement failed')
    return step.value
  } catch (e) {
    await client.query('rollback').catch((e) => (broken = e))
    throw e
  } finally {
    client.release(broken) // the pool drops a client that is broken
  }
}

// sqlite runs effect() at most once; db is a Database of libsql or
// better-sqlite3. Nothing here waits, nor may effect: db has one transaction.
export function sqlite(db, transaction, effect) {
  db.exec('begin immediate')
  try {
    const steps = rules(transaction)
    let step = steps.next()
    while (!step.done) {
      const [sql, values] = step.value
      const statement = db.prepare(sql.replace(/\$\d/g, '?'))
      step = steps.next(sql === select ? { rows: statement.all(...values) } : statement.run(...values))
    }
    if (step.value === 'done' && effect() instanceof Promise) throw new TypeError('barrier: the effect must not wait')
    db.exec('commit')
    return step.value
  } catch (e) {
    if (db.inTransaction) db.exec('rollback')
    throw e
  }
}
