package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is what one workload came to.
type Report struct {
	Workload  string `json:"workload"`
	Measures  string `json:"measures"`
	Yardstick string `json:"yardstick,omitempty"`
	Machine   string `json:"machine"`
	// Versions of waybill, go, postgres and nats-server.
	Versions map[string]string `json:"versions"`
	// Settings of the servers that the figures depend on; disk_sync is the median time to write 8 KiB to disk.
	Settings map[string]string `json:"settings"`
	Rounds   int               `json:"rounds"`
	Results  []Result          `json:"results"`
}

// Result is one line of a report. Rates are medians of the rounds, latencies are over all rounds, and a ratio is the
// median of the ratios of the rounds, in each of which both sides took their turn. What a contest does not have is left
// out.
type Result struct {
	Case    string  `json:"case,omitempty"`
	Clients int     `json:"clients,omitempty"`
	Rate    float64 `json:"rate"`
	Unit    string  `json:"unit"`
	Latency
	// Yardstick is the rate of the first yardstick, or what the workload compares with instead.
	Yardstick float64 `json:"yardstick,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
	// Spread has the ratio of each round.
	Spread []float64 `json:"spread,omitempty"`
	// Yardsticks are all of them, the first too.
	Yardsticks []Yardstick `json:"yardsticks,omitempty"`
	// Figures are others that the workload has to tell.
	Figures map[string]float64 `json:"figures,omitempty"`
}

// Latency is in milliseconds.
type Latency struct {
	P50  float64 `json:"p50_ms,omitempty"`
	P99  float64 `json:"p99_ms,omitempty"`
	P999 float64 `json:"p999_ms,omitempty"`
}

// Yardstick is what a result is held against.
type Yardstick struct {
	Name string  `json:"name"`
	Rate float64 `json:"rate"`
	Latency
	Ratio  float64   `json:"ratio"`
	Spread []float64 `json:"spread"`
}

// result puts the rounds together; turns are by side, then by round.
func (c Contest) result(sides []Side, turns [][]Measurement) Result {
	ours := turns[0]
	r := Result{Case: c.Case, Clients: c.Clients, Unit: c.Unit, Rate: medianRate(ours), Latency: latency(ours), Figures: figures(ours)}
	compare, decimals := c.Compare, 3
	if compare == nil {
		decimals = 1 // of a rate
		compare = func(ours, theirs Measurement) (yardstick, ratio float64) {
			return theirs.Rate(), ours.Rate() / max(theirs.Rate(), 1e-9)
		}
	}
	for i, theirs := range turns[1:] {
		var marks, ratios []float64
		for round := range theirs {
			mark, ratio := compare(ours[round], theirs[round])
			marks, ratios = append(marks, mark), append(ratios, round3(ratio))
		}
		y := Yardstick{
			Name: sides[i+1].Name, Rate: medianRate(theirs), Latency: latency(theirs), Ratio: round3(median(ratios)), Spread: ratios,
		}
		if i == 0 {
			r.Yardstick, r.Ratio, r.Spread = round(median(marks), decimals), y.Ratio, y.Spread
		}
		r.Yardsticks = append(r.Yardsticks, y)
	}
	return r
}

func round3(v float64) float64 { return round(v, 3) }

func medianRate(rounds []Measurement) float64 {
	rates := make([]float64, 0, len(rounds))
	for _, m := range rounds {
		rates = append(rates, m.Rate())
	}
	return round(median(rates), 1)
}

func latency(rounds []Measurement) Latency {
	all := merge(rounds)
	return Latency{P50: quantile(all, 50), P99: quantile(all, 99), P999: quantile(all, 99.9)}
}

func figures(rounds []Measurement) map[string]float64 {
	byName := map[string][]float64{}
	for _, m := range rounds {
		for name, v := range m.Figures {
			byName[name] = append(byName[name], v)
		}
	}
	if len(byName) == 0 {
		return nil
	}
	medians := make(map[string]float64, len(byName))
	for name, values := range byName {
		medians[name] = round3(median(values))
	}
	return medians
}

// WriteJSON writes one report as an object, and several as an array.
func WriteJSON(w io.Writer, reports []Report) error {
	var v any = reports
	if len(reports) == 1 {
		v = reports[0]
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteTable writes reports for people.
func WriteTable(w io.Writer, reports []Report) error {
	for i := range reports {
		r := &reports[i]
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", r.Workload, r.Measures)
		if r.Yardstick != "" {
			fmt.Fprintf(w, "yardstick: %s\n", r.Yardstick)
		}
		fmt.Fprintln(w)
		if err := r.writeResults(w); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		return nil
	}
	last := reports[len(reports)-1]
	fmt.Fprintf(w, "\nmedians of %d rounds; the ratio is the median of the ratios of the rounds, which stand behind it\n", last.Rounds)
	fmt.Fprintf(w, "%s\n%s\n%s\n", last.Machine, pairs(last.Versions), pairs(last.Settings))
	return nil
}

func (r *Report) writeResults(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tclients\trate\t\tp50 ms\tp99 ms\tp99.9 ms\tratio\t")
	for _, v := range r.Results {
		clients := ""
		if v.Clients > 0 {
			clients = strconv.Itoa(v.Clients)
		}
		name := r.Workload
		if v.Case != "" {
			name = v.Case
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\t\n", name, clients, whole(v.Rate), v.Unit, v.cells())
		for _, y := range v.Yardsticks {
			fmt.Fprintf(t, "%s\t\t%s\t%s\t%s\t%.2f\t %s\n", y.Name, whole(y.Rate), v.Unit, y.cells(), y.Ratio, spread(y.Spread))
		}
		for _, name := range slices.Sorted(maps.Keys(v.Figures)) {
			fmt.Fprintf(t, "%s\t\t%s\t\t\t\t\t\t\n", name, strconv.FormatFloat(v.Figures[name], 'f', -1, 64))
		}
	}
	return t.Flush()
}

// cells are three of a table.
func (l Latency) cells() string {
	cell := func(ms float64) string {
		if ms == 0 {
			return ""
		}
		return strconv.FormatFloat(ms, 'f', 2, 64)
	}
	return cell(l.P50) + "\t" + cell(l.P99) + "\t" + cell(l.P999)
}

// whole writes a rate with its thousands apart, and a small one with a decimal.
func whole(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func spread(ratios []float64) string {
	texts := make([]string, 0, len(ratios))
	for _, r := range ratios {
		texts = append(texts, strconv.FormatFloat(r, 'f', 2, 64))
	}
	return "(" + strings.Join(texts, " ") + ")"
}

func pairs(m map[string]string) string {
	texts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		texts = append(texts, name+" "+m[name])
	}
	return strings.Join(texts, ", ")
}
