package dealer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// TestTranscripts plays testdata/*.txt. Lines at the margin are commands,
// indented ones the answers; testdata/README.md lists the commands.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob(testdata/*.txt) = %v, %v, want transcripts", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			checkTranscript(t, file)
		})
	}
}

func checkTranscript(t *testing.T, file string) {
	t.Helper()
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := play(string(script))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if got == string(script) {
		return
	}
	if !*update {
		t.Fatalf("%s plays differently (go test ./dealer -update rewrites it):\n%s", file, firstDifference(got, string(script)))
	}
	if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
		t.Fatal(err)
	}
}

func firstDifference(got, want string) string {
	gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gots), len(wants)) {
		if gots[i] != wants[i] {
			return fmt.Sprintf("line %d: got\n%s\nwant\n%s", i+1, gots[i], wants[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(gots), len(wants))
}

// play runs the commands of a script and returns it with fresh answers.
func play(script string) (string, error) {
	p := &player{
		decoder: wamp.NewDecoder(wamp.JSON),
		now:     time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		last:    map[wamp.ID]wamp.Message{},
	}
	for i, line := range strings.SplitAfter(script, "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		p.out.WriteString(line)
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.command(line); err != nil {
			return "", fmt.Errorf("line %d: %s: %w", i+1, line, err)
		}
	}
	return p.out.String(), nil
}

// A player is a realm and the script it acts in.
type player struct {
	dealer  *dealer.Dealer // made by the first command that needs one
	config  dealer.Config
	chance  []int
	decoder *wamp.Decoder
	now     time.Time
	last    map[wamp.ID]wamp.Message // last delivery to each session
	out     strings.Builder
}

func (p *player) command(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if word == "realm" {
		return p.realm(strings.Fields(rest))
	}
	if p.dealer == nil {
		p.dealer = dealer.New(p.config)
	}
	switch word {
	case "join":
		return p.join(strings.Fields(rest))
	case "leave":
		return p.leave(rest)
	case "acknowledge":
		return p.acknowledge(rest)
	case "advance":
		return p.advance(rest)
	case "undeliverable":
		return p.undeliverable(rest)
	case "kill":
		return p.kill(strings.Fields(rest))
	case "counts":
		sessions, registrations, calls := p.dealer.Counts()
		p.printf("%d sessions, %d registrations, %d calls", sessions, registrations, calls)
		return nil
	case "deadline":
		p.printDeadline()
		return nil
	case "stats":
		p.printStats()
		return nil
	}
	return p.receive(word, rest)
}

// realm sets up the realm: "strict", "disclose=never", "kill_grace=1s", ….
func (p *player) realm(options []string) error {
	if p.dealer != nil {
		return fmt.Errorf("realm must be the first command")
	}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		if err := p.setOption(key, value); err != nil {
			return fmt.Errorf("option %s: %w", option, err)
		}
	}
	return nil
}

func (p *player) setOption(key, value string) (err error) {
	switch key {
	case "strict":
		p.config.Strict = true
	case "disclose":
		p.config.Disclose, err = disclosePolicy(value)
	case "ack_timeout":
		p.config.AckTimeout, err = time.ParseDuration(value)
	case "trustlevel":
		var rule dealer.TrustRule
		var level int64
		rule.Match, rule.URI, value = parseRule(value)
		value, rule.Authrole, _ = strings.Cut(value, "@")
		level, err = strconv.ParseInt(value, 10, 32)
		rule.Level = int32(level)
		p.config.Trustlevels = append(p.config.Trustlevels, rule)
	case "disclose_for":
		var rule dealer.DiscloseRule
		rule.Match, rule.URI, value = parseRule(value)
		rule.Policy, err = disclosePolicy(value)
		p.config.DiscloseFor = append(p.config.DiscloseFor, rule)
	case "kill_grace":
		p.config.KillGrace, err = time.ParseDuration(value)
	case "max_calls":
		p.config.MaxCalls, err = strconv.Atoi(value)
	case "max_waiting":
		p.config.MaxWaiting, err = strconv.Atoi(value)
	case "max_waiting_bytes":
		p.config.MaxWaitingBytes, err = strconv.Atoi(value)
	case "max_wait":
		p.config.MaxWait, err = time.ParseDuration(value)
	case "max_counted":
		p.config.MaxCounted, err = strconv.Atoi(value)
	case "max_gather":
		p.config.MaxGather, err = strconv.Atoi(value)
	case "handover":
		p.config.HandoverTimeout, err = time.ParseDuration(value)
	case "epoch":
		p.config.Epoch, err = strconv.ParseUint(value, 10, 64)
	case "max_registrations":
		p.config.MaxRegistrations, err = strconv.Atoi(value)
	case "meta_kill":
		p.config.MetaKill = true
	case "meta_inside":
		p.config.MetaInside = true
	case "hide": // registrations below a URI, from all but the role "admin"
		p.config.MaySee = func(who wamp.Identity, uri wamp.URI) bool {
			return who.Authrole == "admin" || !strings.HasPrefix(string(uri), value)
		}
	case "max_subscriptions":
		p.config.MaxSubscriptions, err = strconv.Atoi(value)
	case "max_subscriptions_each":
		p.config.MaxSubscriptionsEach, err = strconv.Atoi(value)
	case "max_descriptions":
		p.config.MaxDescriptions, err = strconv.Atoi(value)
	case "rand":
		p.config.Rand = p.rand
		for number := range strings.SplitSeq(value, ",") {
			n, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			p.chance = append(p.chance, n)
		}
	default:
		return fmt.Errorf("unknown")
	}
	return err
}

// rand returns the numbers that the script names, in turn.
func (p *player) rand(n int) int {
	next := p.chance[0]
	p.chance = append(p.chance[1:], next)
	return next % n
}

// parseRule reads "prefix:com.example.=value"; the policy is exact if it is
// not named.
func parseRule(text string) (wamp.MatchPolicy, wamp.URI, string) {
	pattern, value, _ := strings.Cut(text, "=")
	for _, policy := range []wamp.MatchPolicy{wamp.MatchPrefix, wamp.MatchWildcard} {
		if uri, ok := strings.CutPrefix(pattern, policy.String()+":"); ok {
			return policy, wamp.URI(uri), value
		}
	}
	return wamp.MatchExact, wamp.URI(pattern), value
}

func disclosePolicy(name string) (dealer.DisclosePolicy, error) {
	for i, known := range []string{"both", "either", "always", "never"} {
		if name == known {
			return dealer.DisclosePolicy(i), nil
		}
	}
	return 0, fmt.Errorf("no disclosure policy")
}

// join adds a session that, unless told otherwise, announces everything a
// caller and a callee can announce about the calls shown here.
func (p *player) join(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("who?")
	}
	id, err := parseID(words[0])
	if err != nil {
		return err
	}
	everything := "progressive_call_results,progressive_call_invocations,call_canceling,call_timeout," +
		"registration_revocation,call_reroute"
	peer := dealer.Peer{ID: id, Identity: wamp.Identity{Authid: "anonymous", Authrole: "anonymous"}, Acknowledges: true}
	roles := map[string]string{"caller": everything, "callee": everything}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "caller", "callee":
			roles[key] = value
		case "agent":
			peer.Agent = value
		case "authid":
			peer.Identity.Authid = value
		case "authmethod":
			peer.Identity.Authmethod = value
		case "authrole":
			peer.Identity.Authrole = value
		case "local":
			peer.Local = true
		case "keeps":
			peer.Keeps = true
		case "coordinates":
			peer.Coordinates = true
		case "deaf":
			peer.Acknowledges = false
		default:
			return fmt.Errorf("unknown option %s", key)
		}
	}
	if peer.Roles, err = parseRoles(roles); err != nil {
		return err
	}
	if err := p.dealer.Join(peer); err != nil {
		return err
	}
	return p.show(p.dealer.Announce(p.now, id))
}

// parseRoles reads the roles the way a HELLO announces them.
func parseRoles(roles map[string]string) (wamp.Roles, error) {
	announced := wamp.Dict{}
	for role, names := range roles {
		features := wamp.Dict{}
		for name := range strings.SplitSeq(names, ",") {
			features[name] = true
		}
		announced[role] = wamp.Dict{"features": features}
	}
	return wamp.ParseRoles(wamp.Dict{"roles": announced})
}

func parseID(s string) (wamp.ID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	return wamp.ID(n), err
}

// receive handles "1 [48,1,{},"p"]": session 1 sends a message.
func (p *player) receive(from, frame string) error {
	id, err := parseID(from)
	if err != nil {
		return fmt.Errorf("unknown command")
	}
	buffer := []byte(frame)
	m, err := p.decoder.Decode(buffer)
	if err != nil {
		return err
	}
	defer func() { // the dealer keeps nothing of a message
		for i := range buffer {
			buffer[i] = '!'
		}
	}()
	out, violation := p.dealer.Receive(p.now, id, m)
	if violation != nil {
		p.printf("abort %d: %v", id, violation)
		out = p.dealer.Leave(p.now, id)
		return p.show(out)
	}
	return p.answer(out)
}

func (p *player) leave(who string) error {
	id, err := parseID(who)
	if err != nil {
		return err
	}
	return p.answer(p.dealer.Leave(p.now, id))
}

// acknowledge handles "acknowledge 2 1": session 2 has received INVOCATION 1.
func (p *player) acknowledge(rest string) error {
	who, which, _ := strings.Cut(rest, " ")
	id, err := parseID(who)
	if err != nil {
		return err
	}
	invocation, err := parseID(which)
	if err != nil {
		return err
	}
	return p.answer(p.dealer.Acknowledged(id, invocation))
}

// advance lets time pass, and the dealer act at each deadline on the way.
func (p *player) advance(by string) error {
	d, err := time.ParseDuration(by)
	if err != nil {
		return err
	}
	end, before := p.now.Add(d), p.out.Len()
	for {
		next, ok := p.dealer.NextDeadline()
		if !ok || next.After(end) {
			break
		}
		p.now = next
		if err := p.show(p.dealer.Expire(p.now)); err != nil {
			return err
		}
	}
	p.now = end
	if p.out.Len() == before {
		p.printf("(nothing)")
	}
	return nil
}

// undeliverable handles "undeliverable 2 some.reason some text": the last
// message to session 2 could not be delivered.
func (p *player) undeliverable(rest string) error {
	who, rest, _ := strings.Cut(rest, " ")
	reason, text, _ := strings.Cut(rest, " ")
	id, err := parseID(who)
	if err != nil {
		return err
	}
	return p.answer(p.dealer.Undeliverable(p.now, id, p.last[id], wamp.URI(reason), text))
}

// kill handles what operators end: "kill session 2 some.reason", "kill
// registration 1 some.reason" and "kill call 1 7 skip", CALL 7 of session 1.
func (p *player) kill(words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("what, which, and how?")
	}
	id, err := parseID(words[1])
	if err != nil {
		return err
	}
	var out []dealer.Delivery
	var ok, canceling bool
	switch words[0] {
	case "session":
		out, ok = p.dealer.EndSession(p.now, id, &wamp.Goodbye{Reason: wamp.URI(words[2])})
	case "registration":
		out, ok = p.dealer.RevokeAll(p.now, id, wamp.URI(words[2]))
	default:
		request, err := parseID(words[2])
		if err != nil {
			return err
		}
		mode := wamp.CancelKill
		for _, m := range []wamp.CancelMode{wamp.CancelSkip, wamp.CancelKillNoWait} {
			if words[len(words)-1] == m.String() {
				mode = m
			}
		}
		out, canceling, ok = p.dealer.EndCall(p.now, id, request, mode)
	}
	switch {
	case !ok:
		p.printf("there is none")
		return nil
	case canceling:
		p.printf("it is being canceled")
	}
	return p.answer(out)
}

// answer shows what a command led to.
func (p *player) answer(out []dealer.Delivery) error {
	if len(out) == 0 {
		p.printf("(nothing)")
	}
	return p.show(out)
}

func (p *player) show(out []dealer.Delivery) error {
	for _, delivery := range out {
		m := delivery.Message
		frame, err := wamp.JSON.Append(nil, m)
		if err != nil {
			return err
		}
		p.printf("%d <- %s %s%s", delivery.To, m.Type(), frame, origin(m))
		if inv, ok := m.(*wamp.Invocation); ok && inv.Receipt != 0 {
			p.printf("%d is asked for a receipt of INVOCATION %d", inv.Receipt, inv.Request)
		}
		if inv, ok := m.(*wamp.Invocation); ok && inv.Kept != nil {
			k := inv.Kept
			p.printf("%d keeps it for %d (%s): %+v", delivery.To, k.Caller.Session, k.Caller.Identity.Authid, k.Options.Keep)
			if k.Options.Branch != nil || k.Options.TrustLevel == "transactional" {
				p.printf("%d gets it for a transaction: %+v, registered %t with %+v", delivery.To, k.Options.Branch, k.Registered, k.Transaction)
			}
		}
		p.last[delivery.To] = snapshot(m)
	}
	return nil
}

// origin tells which answers to a CALL are the dealer's own.
func origin(m wamp.Message) string {
	e, ok := m.(*wamp.Error)
	switch {
	case ok && e.Killed && e.Origin == wamp.OriginCallee:
		return "  (killed by an administrator)"
	case !ok || e.RequestType != wamp.TypeCall || e.Origin == wamp.OriginCallee:
		return ""
	case e.Killed && e.Origin == wamp.OriginDealer:
		return "  (dealer, before any INVOCATION; killed by an administrator)"
	case e.Killed:
		return "  (dealer, after INVOCATION; killed by an administrator)"
	case e.Origin == wamp.OriginDealer:
		return "  (dealer, before any INVOCATION)"
	}
	return "  (dealer, after INVOCATION)"
}

// snapshot copies the messages that the dealer reuses.
func snapshot(m wamp.Message) wamp.Message {
	switch m := m.(type) {
	case *wamp.Invocation:
		c := *m
		return &c
	case *wamp.Result:
		c := *m
		return &c
	case *wamp.Error:
		c := *m
		return &c
	case *wamp.Interrupt:
		c := *m
		return &c
	}
	return m
}

func (p *player) printDeadline() {
	next, ok := p.dealer.NextDeadline()
	if !ok {
		p.printf("none")
		return
	}
	p.printf("in %v", next.Sub(p.now))
}

func (p *player) printf(format string, args ...any) {
	fmt.Fprintf(&p.out, "  "+format+"\n", args...)
}
