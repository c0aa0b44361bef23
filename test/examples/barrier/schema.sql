-- The markers of what was done for transactions, and what must not be done any
-- more. The same for PostgreSQL and SQLite; it belongs into the database that
-- the procedures change.
create table if not exists wampgate_barrier (
  transaction_id text not null,
  branch integer not null,
  op text not null,                                  -- action, compensate, try, confirm or cancel
  by_op text not null,                               -- who put it there: op itself, or the compensate or cancel that came first
  at timestamptz not null default current_timestamp, -- in UTC in SQLite
  primary key (transaction_id, branch, op)
);
