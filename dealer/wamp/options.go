package wamp

import (
	"math"
	"strings"
)

// The options and details that the dealer knows are read and written straight
// from and to their fields. When reading, null and undefined count as absent, a
// known key with a value of the wrong type makes the message malformed, and
// unknown keys are passed over, except those that begin with "_", which are
// kept where the message has a place for them (spec, "Options and Details").

func (c *codec) callOptions(o *CallOptions) {
	if !c.reading {
		c.writeCallOptions(o)
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "timeout":
			c.milliseconds("Options.timeout", &o.Timeout)
		case "receive_progress":
			c.bool("Options.receive_progress", &o.ReceiveProgress)
		case "progress":
			c.bool("Options.progress", &o.Progress)
		case "disclose_me":
			c.bool("Options.disclose_me", &o.DiscloseMe)
		default:
			c.rareCallOption(key, o)
		}
	}
	o.Passthru = o.Passthru.inUse()
}

// rareCallOption reads the options that most calls do without.
func (c *codec) rareCallOption(key []byte, o *CallOptions) {
	switch string(key) {
	case "trust_level", "_trust_level":
		c.optionalString("Options.trust_level", &o.TrustLevel)
	case "rkey", "shard_key", "_shard_key", "_rkey":
		c.key("Options.rkey", &o.RoutingKey)
	case "runmode", "_runmode":
		c.runMode("Options.runmode", &o.RunMode)
	case "passthru", "_passthru":
		c.plainPassthru("Options.passthru", &o.Passthru)
	default:
		if !c.keepOption(key, o) && !c.branchOption(key, o) && !c.passthru(key, &o.Passthru) {
			c.custom(key, &o.Custom)
		}
	}
}

// keepOption reads an option of persistent calls, and reports whether key is
// one.
func (c *codec) keepOption(key []byte, o *CallOptions) bool {
	var k KeepOptions
	if o.Keep != nil {
		k = *o.Keep
	}
	switch strings.TrimPrefix(string(key), "_") {
	case "call_id":
		c.optionalString("Options.call_id", &k.CallID)
	case "async":
		c.bool("Options.async", &k.Async)
	case "expiry":
		c.milliseconds("Options.expiry", &k.Expiry)
	case "delay":
		c.milliseconds("Options.delay", &k.Delay)
	case "not_before":
		c.milliseconds("Options.not_before", &k.NotBefore)
	default:
		return false
	}
	if k != (KeepOptions{}) {
		kept := k // which alone is allocated
		o.Keep = &kept
	}
	return true
}

// writeKeep writes the options of persistent calls.
func (w *writer) writeKeep(k *KeepOptions) {
	if k == nil {
		return
	}
	w.flag("async", k.Async)
	w.text("call_id", k.CallID)
	w.milliseconds("delay", k.Delay)
	w.milliseconds("expiry", k.Expiry)
	w.milliseconds("not_before", k.NotBefore)
}

// entries is how many options writeKeep writes.
func (k *KeepOptions) entries() int {
	if k == nil {
		return 0
	}
	return count(k.Async, k.CallID != "", k.Delay != 0, k.Expiry != 0, k.NotBefore != 0)
}

func (c *codec) writeCallOptions(o *CallOptions) {
	w := &c.out
	w.openMap(len(o.Custom) + o.Passthru.size() + o.Keep.entries() + o.Branch.entries() + count(o.DiscloseMe, o.Progress, o.ReceiveProgress,
		o.RoutingKey != "", o.RunMode != RunDefault, o.Timeout != 0, o.TrustLevel != ""))
	w.entries(o.Custom, 2)
	w.writeKeep(o.Keep)
	w.writeBranch(o.Branch)
	w.flag("disclose_me", o.DiscloseMe)
	w.passthru(o.Passthru)
	w.flag("progress", o.Progress)
	w.flag("receive_progress", o.ReceiveProgress)
	w.writeKey("rkey", o.RoutingKey)
	w.text("runmode", o.RunMode.String())
	w.milliseconds("timeout", o.Timeout)
	w.text("trust_level", o.TrustLevel)
	w.closeMap()
}

// yieldOptions visits the options of YIELD.
func (c *codec) yieldOptions(o *YieldOptions) {
	if !c.reading {
		w := &c.out
		w.openMap(len(o.Custom) + o.Passthru.size() + count(o.Progress))
		w.entries(o.Custom, 2)
		w.passthru(o.Passthru)
		w.flag("progress", o.Progress)
		w.closeMap()
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		if key := c.in.key(); string(key) == "progress" {
			c.bool("Options.progress", &o.Progress)
		} else if !c.passthru(key, &o.Passthru) {
			c.custom(key, &o.Custom)
		}
	}
	o.Passthru = o.Passthru.inUse()
}

// resultDetails visits the details of RESULT.
func (c *codec) resultDetails(d *ResultDetails) {
	if !c.reading {
		w := &c.out
		w.openMap(len(d.Custom) + d.Passthru.size() + count(d.Acknowledged, d.Progress))
		w.entries(d.Custom, 2)
		w.flag("acknowledged", d.Acknowledged)
		w.passthru(d.Passthru)
		w.flag("progress", d.Progress)
		w.closeMap()
		return
	}
	for e := c.openDict("Details"); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "progress":
			c.bool("Details.progress", &d.Progress)
		case "acknowledged":
			c.bool("Details.acknowledged", &d.Acknowledged)
		default:
			if !c.passthru(key, &d.Passthru) {
				c.custom(key, &d.Custom)
			}
		}
	}
	d.Passthru = d.Passthru.inUse()
}

func (c *codec) invocationDetails(d *InvocationDetails, shard **ShardDetails) {
	if !c.reading {
		c.writeInvocationDetails(d, *shard)
		return
	}
	for e := c.openDict("Details"); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "procedure":
			c.optionalURI("Details.procedure", &d.Procedure)
		case "receive_progress":
			c.bool("Details.receive_progress", &d.ReceiveProgress)
		case "progress":
			c.bool("Details.progress", &d.Progress)
		case "timeout":
			c.milliseconds("Details.timeout", &d.Timeout)
		case "caller":
			c.optionalID("Details.caller", &d.Caller)
		case "caller_authid":
			c.optionalString("Details.caller_authid", &d.CallerAuthid)
		case "caller_authrole":
			c.optionalString("Details.caller_authrole", &d.CallerAuthrole)
		case "trustlevel":
			c.trustlevel(d)
		default:
			if !c.shardDetail(key, shard) && !c.passthru(key, &d.Passthru) {
				c.custom(key, &d.Custom)
			}
		}
	}
	d.Passthru = d.Passthru.inUse()
}

func (c *codec) trustlevel(d *InvocationDetails) {
	if n, ok := c.optionalInteger("Details.trustlevel", math.MaxInt32); ok {
		d.HasTrustlevel, d.Trustlevel = true, int32(n) //nolint:gosec // at most MaxInt32
	}
}

func (c *codec) writeInvocationDetails(d *InvocationDetails, shard *ShardDetails) {
	w := &c.out
	w.openMap(len(d.Custom) + d.Passthru.size() + shard.entries() + count(d.Caller != 0, d.CallerAuthid != "", d.CallerAuthrole != "",
		d.Procedure != "", d.Progress, d.ReceiveProgress, d.Timeout != 0, d.HasTrustlevel))
	w.entries(d.Custom, 2)
	if d.Caller != 0 {
		w.key("caller")
		w.uint(uint64(d.Caller))
	}
	w.text("caller_authid", d.CallerAuthid)
	w.text("caller_authrole", d.CallerAuthrole)
	w.passthru(d.Passthru)
	w.text("procedure", string(d.Procedure))
	w.flag("progress", d.Progress)
	w.flag("receive_progress", d.ReceiveProgress)
	w.writeShardDetails(shard)
	w.milliseconds("timeout", d.Timeout)
	if d.HasTrustlevel {
		w.key("trustlevel")
		w.uint(uint64(max(d.Trustlevel, 0)))
	}
	w.closeMap()
}

func (c *codec) registerOptions(o *RegisterOptions) {
	if !c.reading {
		c.writeRegisterOptions(o)
		return
	}
	var extended InvokePolicy
	for e := c.openDict("Options"); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "match":
			c.match("Options.match", &o.Match)
		case "invoke":
			c.invoke("Options.invoke", &o.Invoke)
		case "_invoke": // some clients let no other policies through than the specification's
			c.invoke("Options._invoke", &extended)
		case "disclose_caller", "_disclose_caller":
			c.bool("Options.disclose_caller", &o.DiscloseCaller)
		case "forward_timeout", "_forward_timeout":
			c.bool("Options.forward_timeout", &o.ForwardTimeout)
		case "concurrency", "_concurrency":
			c.concurrency(&o.Concurrency)
		case "force_reregister", "_force_reregister":
			c.bool("Options.force_reregister", &o.Force)
		default:
			c.rareRegisterOption(key, o)
		}
	}
	if extended != InvokeSingle {
		o.Invoke = extended
	}
}

func (c *codec) writeRegisterOptions(o *RegisterOptions) {
	w := &c.out
	w.openMap(len(o.Custom) + o.Shard.entries() + count(o.Transaction != nil, o.Concurrency != 0, o.DiscloseCaller, o.Force, o.ForwardTimeout,
		o.Invoke != InvokeSingle, o.Match != MatchExact))
	w.entries(o.Custom, 2)
	if o.Concurrency != 0 {
		w.key("concurrency")
		w.int(int64(o.Concurrency))
	}
	w.flag("disclose_caller", o.DiscloseCaller)
	w.flag("force_reregister", o.Force)
	w.flag("forward_timeout", o.ForwardTimeout)
	if o.Invoke != InvokeSingle {
		w.text("invoke", o.Invoke.String())
	}
	if o.Match != MatchExact {
		w.text("match", o.Match.String())
	}
	w.writeShardOptions(o.Shard)
	w.writeTransaction(o.Transaction)
	w.closeMap()
}

// concurrency reads a positive integer. Whatever else stands there is an
// application error and no malformed message.
func (c *codec) concurrency(v *int) {
	switch c.in.serializer.Kind(c.in.buf[c.in.pos:]) {
	case KindNull:
		c.in.skip(1)
		return
	case KindNumber:
		var t token
		c.in.scan(&t)
		if n, ok := t.uint(); ok && n >= 1 {
			*v = int(min(n, math.MaxInt32)) //nolint:gosec // at most MaxInt32
			return
		}
	default:
		c.in.skip(1)
	}
	*v = ConcurrencyUnknown
}

// cancelOptions visits the options of CANCEL.
func (c *codec) cancelOptions(mode *CancelMode) {
	if !c.reading {
		c.out.openMap(count(*mode != CancelDefault))
		c.out.text("mode", mode.String())
		c.out.closeMap()
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		if key := c.in.key(); string(key) == "mode" {
			c.cancelMode("Options.mode", mode)
		} else {
			c.in.skip(1)
		}
	}
}

func (c *codec) interruptOptions(m *Interrupt) {
	if !c.reading {
		c.out.openMap(count(m.Mode != CancelDefault, m.Reason != ""))
		c.out.text("mode", m.Mode.String())
		c.out.text("reason", string(m.Reason))
		c.out.closeMap()
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "mode":
			c.cancelMode("Options.mode", &m.Mode)
		case "reason":
			c.optionalURI("Options.reason", &m.Reason)
		default:
			c.in.skip(1)
		}
	}
}

// publishOptions visits the options of PUBLISH.
func (c *codec) publishOptions(acknowledge *bool) {
	if !c.reading {
		c.out.openMap(count(*acknowledge))
		c.out.flag("acknowledge", *acknowledge)
		c.out.closeMap()
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		if key := c.in.key(); string(key) == "acknowledge" {
			c.bool("Options.acknowledge", acknowledge)
		} else {
			c.in.skip(1)
		}
	}
}

// subscribeOptions visits the options of SUBSCRIBE.
func (c *codec) subscribeOptions(policy *MatchPolicy) {
	if !c.reading {
		c.out.openMap(count(*policy != MatchExact))
		if *policy != MatchExact {
			c.out.text("match", policy.String())
		}
		c.out.closeMap()
		return
	}
	for e := c.openDict("Options"); c.in.next(&e); {
		if key := c.in.key(); string(key) == "match" {
			c.match("Options.match", policy)
		} else {
			c.in.skip(1)
		}
	}
}

// openDict moves into the next element of the message, which must be a dict.
func (c *codec) openDict(what string) container {
	if !c.need(what) || c.in.emptyMap() {
		return container{ended: true}
	}
	var t token
	c.in.scan(&t)
	if c.in.err == nil && t.kind != KindMap {
		c.in.fail(t.offset, "%s must be a dict, not %v", what, t.kind)
	}
	return t.container()
}

// custom reads the value of a key that has no field.
func (c *codec) custom(key []byte, custom *Dict) {
	if len(key) == 0 || key[0] != '_' {
		c.in.skip(1)
		return
	}
	name := string(key) // before the value is read, which may overwrite key
	value := c.in.value(1)
	if c.in.err != nil {
		return
	}
	if *custom == nil {
		*custom = make(Dict)
	}
	(*custom)[name] = value
}

// option reads the value of a known key; false if it is null.
func (c *codec) option(what string, want Kind) (token, bool) {
	var t token
	c.in.scan(&t)
	if c.in.err != nil || t.kind == KindNull {
		return t, false
	}
	if t.kind != want && (want != KindString || !c.in.isString(&t)) {
		c.in.fail(t.offset, "%s must be %v, not %v", what, want, t.kind)
		return t, false
	}
	return t, true
}

func (c *codec) bool(what string, v *bool) {
	if t, ok := c.option(what, KindBool); ok {
		*v = t.truth
	}
}

func (c *codec) milliseconds(what string, v *int64) {
	if n, ok := c.optionalInteger(what, math.MaxInt64); ok {
		*v = int64(n) //nolint:gosec // at most MaxInt64
	}
}

func (c *codec) optionalID(what string, v *ID) {
	if n, ok := c.optionalInteger(what, uint64(MaxID)); ok {
		*v = ID(n)
	}
}

func (c *codec) optionalInteger(what string, most uint64) (uint64, bool) {
	t, ok := c.option(what, KindNumber)
	if !ok {
		return 0, false
	}
	n, ok := t.uint()
	if !ok || n > most {
		c.in.fail(t.offset, "%s must be an integer from 0 to %d", what, most)
		return 0, false
	}
	return n, true
}

func (c *codec) optionalURI(what string, v *URI) {
	if t, ok := c.option(what, KindString); ok {
		*v = c.uris.intern(c.in.plain(&t))
	}
}

func (c *codec) optionalString(what string, v *string) {
	if t, ok := c.option(what, KindString); ok {
		*v = string(c.uris.intern(c.in.plain(&t)))
	}
}

func (c *codec) cancelMode(what string, mode *CancelMode) {
	t, ok := c.option(what, KindString)
	if !ok {
		return
	}
	switch string(c.in.plain(&t)) {
	case "skip":
		*mode = CancelSkip
	case "kill":
		*mode = CancelKill
	case "killnowait":
		*mode = CancelKillNoWait
	default:
		*mode = CancelUnknown
	}
}

func (c *codec) match(what string, policy *MatchPolicy) {
	t, ok := c.option(what, KindString)
	if !ok {
		return
	}
	switch string(c.in.plain(&t)) {
	case "exact":
		*policy = MatchExact
	case "prefix":
		*policy = MatchPrefix
	case "wildcard":
		*policy = MatchWildcard
	default:
		c.in.fail(t.offset, "%s must be exact, prefix or wildcard", what)
	}
}

func (c *codec) invoke(what string, policy *InvokePolicy) {
	t, ok := c.option(what, KindString)
	if !ok {
		return
	}
	switch string(c.in.plain(&t)) {
	case "single":
		*policy = InvokeSingle
	case "roundrobin":
		*policy = InvokeRoundRobin
	case "random":
		*policy = InvokeRandom
	case "first":
		*policy = InvokeFirst
	case "last":
		*policy = InvokeLast
	case "least_loaded":
		*policy = InvokeLeastLoaded
	default:
		*policy = InvokeUnknown
	}
}

// count is how many of the conditions hold.
func count(conditions ...bool) int {
	n := 0
	for _, holds := range conditions {
		if holds {
			n++
		}
	}
	return n
}
