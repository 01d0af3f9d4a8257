package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"waybill/api/apitest"
)

// BenchmarkPlaceOrder places orders of three lines over HTTP with 64 clients, on the Postgres log.
func BenchmarkPlaceOrder(b *testing.B) {
	s := apitest.New(b, apitest.WithoutProjections)
	body := apitest.Order(3)
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL+"/v1/orders", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+s.Key)
			req.Header.Set("Content-Type", "application/json")
			resp, err := s.Client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				b.Errorf("status %d", resp.StatusCode)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
