// Package engine keeps what must outlive the process: a NATS server with
// JetStream, inside this process or elsewhere. It alone knows how; above it
// there are logs.
//
//	e, err := engine.Open(ctx, engine.Config{Dir: dir})
//	journal, err := e.Journal(ctx, engine.LogConfig{Name: "calls", MaxBytes: 1 << 30})
//	seq, err := journal.Append(ctx, data, last)
//
// A [Journal] is one sequence of entries with one writer: each Append names the
// sequence number of the entry before it, so that of two writers only one gets
// on, and the other gets [ErrStale]. A [TxLog] is many such sequences, one for
// each key: a transaction's log is the sequence under its id, its coordinator
// appends with the number of the last entry that it has read, and whoever
// reads ErrStale has been overtaken: it reads the sequence again and stops, or
// goes on from there. Zero is what comes before the first entry of a key, so
// that Append(ctx, id, begin, 0) succeeds for one of those who try to begin.
//
//	txs, err := e.TxLog(ctx, engine.LogConfig{Name: "tx", MaxBytes: 1 << 30})
//	begun, err := txs.Append(ctx, id, beginEntry, 0)    // ErrStale: the id is taken
//	next, err := txs.Append(ctx, id, startEntry, begun) // ErrStale: another coordinator
//	err = txs.Entries(ctx, id, func(e engine.Entry) error { … }) // its state is the fold of them
//	err = txs.Each(ctx, func(e engine.Entry) error { … })        // all that is open, at start
//	err = txs.Remove(ctx, id)                                    // when it is over and may be forgotten
//
// Append returns nil only after the entry is where it survives the process, and
// power loss as well if [Engine.Durability] is [Synced]. It tries again by
// itself as long as its context lasts, and finds out whether an attempt whose
// answer was lost has been stored after all: by comparing bytes, for which writers
// put something of their own into what they append. [ErrFull] and ErrStale say that
// nothing was stored. [ErrUnavailable] leaves it open: try the same again, or
// read.
//
// Each append costs a write to the disk that is waited for, a quarter of a
// millisecond on a good one. JetStream does not gather those of several
// callers; who has many entries puts several into one append.
package engine
