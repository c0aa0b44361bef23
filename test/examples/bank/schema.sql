-- Money of customers: free can be spent, held is reserved for transactions that
-- have not ended. For PostgreSQL and SQLite.
create table if not exists account (
  id text primary key,
  free bigint not null,
  held bigint not null default 0
);
-- What changed, and for which transaction. Nothing here keeps an operation from
-- coming twice: that is for the barrier.
create table if not exists movement (
  transaction_id text not null,
  branch integer not null,
  op text not null,
  account text not null,
  free bigint not null,
  held bigint not null
);
create index if not exists movement_of_transaction on movement (transaction_id, branch, op);
