package wamp

import "strings"

// branchOption reads an option of calls within a transaction, and reports
// whether key is one.
func (c *codec) branchOption(key []byte, o *CallOptions) bool {
	var b BranchOptions
	if o.Branch != nil {
		b = *o.Branch
	}
	switch strings.TrimPrefix(string(key), "_") {
	case "transaction":
		c.optionalString("Options.transaction", &b.Transaction)
	case "readonly":
		c.bool("Options.readonly", &b.Readonly)
	default:
		return false
	}
	if b != (BranchOptions{}) {
		branch := b // which alone is allocated
		o.Branch = &branch
	}
	return true
}

// writeBranch writes the options of a call within a transaction.
func (w *writer) writeBranch(b *BranchOptions) {
	if b == nil {
		return
	}
	w.flag("readonly", b.Readonly)
	w.text("transaction", b.Transaction)
}

// entries is how many options writeBranch writes.
func (b *BranchOptions) entries() int {
	if b == nil {
		return 0
	}
	return count(b.Readonly, b.Transaction != "")
}

// rareRegisterOption reads the options that most registrations do without.
func (c *codec) rareRegisterOption(key []byte, o *RegisterOptions) {
	if name := string(key); name == "transaction" || name == "_transaction" {
		c.transactionOptions(&o.Transaction)
		return
	}
	if !c.shardOption(key, &o.Shard) {
		c.custom(key, &o.Custom)
	}
}

// transactionOptions reads how a procedure is called in transactions.
func (c *codec) transactionOptions(o **TransactionOptions) {
	t, ok := c.option("Options.transaction", KindMap)
	if !ok {
		return
	}
	*o = new(TransactionOptions)
	for e := t.container(); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "compensate":
			c.optionalURI("Options.transaction.compensate", &(*o).Compensate)
		case "confirm":
			c.optionalURI("Options.transaction.confirm", &(*o).Confirm)
		case "cancel":
			c.optionalURI("Options.transaction.cancel", &(*o).Cancel)
		case "reserve_ttl":
			c.milliseconds("Options.transaction.reserve_ttl", &(*o).ReserveTTL)
		default:
			c.in.skip(2)
		}
	}
}

func (w *writer) writeTransaction(o *TransactionOptions) {
	if o == nil {
		return
	}
	w.key("transaction")
	w.openMap(count(o.Cancel != "", o.Compensate != "", o.Confirm != "", o.ReserveTTL != 0))
	w.text("cancel", string(o.Cancel))
	w.text("compensate", string(o.Compensate))
	w.text("confirm", string(o.Confirm))
	w.milliseconds("reserve_ttl", o.ReserveTTL)
	w.closeMap()
}

// Dict returns the options as they are written on the wire.
func (o *TransactionOptions) Dict() Dict {
	if o.Compensate != "" {
		return Dict{"compensate": string(o.Compensate)}
	}
	d := Dict{"confirm": string(o.Confirm), "cancel": string(o.Cancel)}
	if o.ReserveTTL != 0 {
		d["reserve_ttl"] = o.ReserveTTL
	}
	return d
}
