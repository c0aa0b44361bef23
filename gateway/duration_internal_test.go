package gateway

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration // -1 means refused
	}{
		{"0", 0},
		{"1500", 1500 * time.Millisecond},
		{"9999999999", 9999999999 * time.Millisecond},
		{"1.5s", 1500 * time.Millisecond},
		{"2m", 2 * time.Minute},
		{"1h2m3s", time.Hour + 2*time.Minute + 3*time.Second},
		{"500ms", 500 * time.Millisecond},
		{"1ns", time.Millisecond},
		{".1ns", time.Millisecond},
		{"PT0.00000001S", time.Millisecond},
		{"PT0.000000000S", 0},
		{"0s", 0},
		{"PT5S", 5 * time.Second},
		{"PT0.25S", 250 * time.Millisecond},
		{"PT1H30M", 90 * time.Minute},
		{"PT0S", 0},
		{"", -1},
		{"-1", -1},
		{"-1s", -1},
		{"+5", -1},
		{"+5s", -1},
		{"99999999999", -1},
		{"1.5", -1},
		{"1e3", -1},
		{"5x", -1},
		{"s", -1},
		{"PT", -1},
		{"PT5", -1},
		{"PT5S5S", -1},
		{"PT5S1H", -1},
		{"PT.5S", -1},
		{"PT5.S", -1},
		{"PT1.2.3S", -1},
		{"PT-5S", -1},
		{"PT5s", -1},
		{"P1D", -1},
		{"pt5s", -1},
		{" 5", -1},
		{"0x10", -1},
		{"1_000", -1},
	}
	for _, test := range tests {
		got, err := parseDuration(test.text)
		if err != nil {
			got = -1
		}
		if got != test.want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", test.text, got, err, test.want)
		}
	}
}

func TestParseGRPCTimeout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration // -1 means refused
	}{
		{"1H", time.Hour},
		{"2M", 2 * time.Minute},
		{"3S", 3 * time.Second},
		{"4m", 4 * time.Millisecond},
		{"5000u", 5 * time.Millisecond},
		{"1n", time.Millisecond},
		{"0S", 0},
		{"99999999H", maxDuration},
		{"", -1},
		{"S", -1},
		{"5", -1},
		{"-5S", -1},
		{"5s", -1},
		{"123456789S", -1},
		{"1.5S", -1},
	}
	for _, test := range tests {
		got, err := parseGRPCTimeout(test.text)
		if err != nil {
			got = -1
		}
		if got != test.want {
			t.Errorf("parseGRPCTimeout(%q) = %v, %v; want %v", test.text, got, err, test.want)
		}
	}
}

// FuzzDuration holds that an accepted duration is not negative, is zero only
// if it has no digit but 0, and means the same when it is written by Go.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"1500", "1.5s", "PT1H2.5S", "0", "PT", "1h1h", "9999999999", "-0s", ".5s", ".1ns", "2540400h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		nonzero := false
		for _, c := range text {
			nonzero = nonzero || c >= '1' && c <= '9'
		}
		if d < 0 || (d != 0) != nonzero {
			t.Errorf("parseDuration(%q) = %v", text, d)
		}
		if digits(d.String()) > maxDigits {
			return
		}
		if again, err := parseDuration(d.String()); err != nil || again != d {
			t.Errorf("parseDuration(%q) = %v, but %q gives %v, %v", text, d, d.String(), again, err)
		}
	})
}
