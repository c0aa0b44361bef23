package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A complaint is what users of other gateways complain about, with the tests
// that would catch it here: the folder of each, and its name.
type complaint struct {
	about, where string
	tests        []string
}

// complaints lists them, those about gRPC's gateway and Connect first.
func complaints() []complaint {
	return append(complaintsOfGRPC(), complaintsOfOthers()...)
}

func complaintsOfGRPC() []complaint {
	return []complaint{
		{"closing the connection does not stop the work", "grpc-ecosystem/grpc-gateway#101", []string{"test TestHangUp", "gateway TestHangUpDuringCall", "gateway TestRouterHangUp"}},
		{"an unread request body keeps the context alive", "grpc-gateway#5236", []string{"gateway TestSettleAnswersDuringUpload", "gateway TestSettleKeepsConnections", "gateway TestClientsThatLeave"}},
		{"reading all of a stream blocks everything", "grpc-gateway#894", []string{"gateway TestConversation", "gateway TestQuietUpload"}},
		{"no server-sent events, wrong content type", "grpc-gateway#26, #2786, #4537", []string{"gateway TestStreamForms"}},
		{"headers of streams are held back until there is data", "grpc-gateway#4537", []string{"gateway TestStreamCommits", "gateway TestStreamBeats"}},
		{"a streamed body is not valid JSON", "grpc-gateway#481, #581, #2438", []string{"gateway TestStreamForms", "gateway TestStreamCut"}},
		{"a wrapper around every item", "grpc-gateway#579, #1254, #2189", []string{"gateway TestAppendBare", "gateway TestStreamForms"}},
		{"an error item without a newline", "grpc-gateway#2591", []string{"gateway TestErrorLineEnds"}},
		{"an error in mid-stream looks like success", "akuity/grpc-gateway-client#14", []string{"gateway TestStreamCut", "gateway TestStreamTimeout"}},
		{"no client and bidirectional streaming", "grpc-gateway#168", []string{"gateway TestUploads", "gateway TestConversation", "gateway TestSplitDuplex"}},
		{"unknown fields are ignored in silence", "grpc-gateway#1210; inngest/inngest#4815, #4816", []string{"test TestUnknownOptions", "gateway TestBatch"}},
		{"Go's internals in the texts of errors", "grpc-gateway#5787", []string{"gateway TestNoGoInErrors"}},
		{"%2F and ';' in paths and queries", "grpc-gateway#3263, #680", []string{"gateway TestPaths", "gateway TestNoGoInErrors"}},
		{"wrong statuses: 412, and 408 for cancel", "grpc-gateway#657, #972, #2707", []string{"gateway/problem TestTable", "gateway/problem TestCircumstances"}},
		{"integers of 64 bits become strings", "grpc-gateway#219, #438, #1201", []string{"gateway TestNumbersStayNumbers"}},
		{"a limit that says nothing; bodies decoded before anybody is asked who he is", "grpc-gateway#943, #3169; etcd-io/etcd#21651", []string{"test TestBadBodies", "gateway TestRefusedBeforeBody"}},
		{"a deadline in a header is missed, or has no bound", "grpc-gateway#107; connect-rust#92", []string{"gateway TestTimeouts", "gateway TestParseGRPCTimeout"}},
		{"408 for a deadline of the server's", "connectrpc/connectrpc.com#122", []string{"gateway TestDealerTimeout", "gateway/problem TestCircumstances"}},
		{"a disconnect is reported as unknown", "connectrpc/connect-go#645", []string{"gateway TestLogLine", "gateway TestShutdownCause"}},
		{"clients keep sending after the server failed", "connect-go#512", []string{"gateway TestEarlyAnswer", "gateway TestSettleSavesEarlyAnswers"}},
		{"timeouts of the server cut streams", "connectrpc.com#138; modelcontextprotocol/go-sdk#1262", []string{"gateway TestStreamBeats", "gateway TestConnectionAfterStream", "gateway TestBodyDeadlineIsLifted"}},
		{"both directions at once need HTTP/2", "connect-go handler.go (505)", []string{"gateway TestConversation"}},
	}
}

func complaintsOfOthers() []complaint {
	return []complaint{
		{"a callee's 500 looks like the infrastructure's", "restatedev/restate#5152, #5173", []string{"gateway/problem TestCircumstances", "gateway/problem TestSend"}},
		{"a send with a key returned the wrong id; attach only with a key", "restate#1495, #2443; sdk-typescript#365", []string{"gateway TestKeyReplays", "gateway TestCallLater"}},
		{"409 that says nothing", "restate#1559", []string{"gateway TestKeyRace", "gateway TestKeyReplays"}},
		{"paths had to be moved below a prefix later", "Restate's documentation", []string{"gateway TestImportedClashes"}},
		{"errors answered with 200", "crossbar#785", []string{"gateway TestBridge", "gateway/problem TestTable"}},
		{"one role for the whole bridge", "crossbar#936, #1769, #1166, #1270, #1271", []string{"gateway TestWhoCalls", "test TestHTTPCredentials"}},
		{"JSON alone", "crossbar#1120", []string{"gateway TestBodies", "gateway TestResults"}},
		{"a caller hangs without a word", "crossbar#346, #861", []string{"gateway TestTimeouts", "gateway TestRouterTimeout"}},
		{"no procedures behind paths, with arguments from the query", "crossbar#309", []string{"gateway TestImportedArguments"}},
		{"no timeouts, no cancel", "crossbar#299", []string{"gateway TestRouterTimeout", "gateway TestRouterHangUp", "gateway TestCancelCall"}},
		{"nothing is known of proxies; any origin may call with credentials", "crossbar#536", []string{"gateway/authn TestProxies", "gateway TestCORS"}},
		{"bodies are buffered; no rates, no API keys", "Leapsight/bondy", []string{"gateway TestLargeUpload", "gateway TestRateLimit", "gateway/authn TestCredentials"}},
		{"Last-Event-ID is not supported", "Centrifugo's documentation", []string{"gateway TestResumeSeesEveryEventOnce", "gateway TestEventSourceNeverCallsAgain"}},
	}
}

// TestComplaints shows that each complaint has a test, and that the tests are
// there. Whether they pass is theirs to show.
func TestComplaints(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]bool{}
	name := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	for _, c := range complaints() {
		if len(c.tests) == 0 {
			t.Errorf("%s (%s): nothing would catch it", c.about, c.where)
		}
		for _, test := range c.tests {
			folder, want, _ := strings.Cut(test, " ")
			if known[folder] == nil {
				known[folder] = testsIn(t, folder, name)
			}
			if !known[folder][want] {
				t.Errorf("%s (%s): there is no %s in %s", c.about, c.where, want, folder)
			}
		}
	}
}

// testsIn returns the names of the tests of a folder.
func testsIn(t *testing.T, folder string, name *regexp.Regexp) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", folder, err)
	}
	tests := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range name.FindAllSubmatch(source, -1) {
			tests[string(match[1])] = true
		}
	}
	return tests
}
