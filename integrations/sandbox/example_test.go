package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"waybill/integrations/sandbox"
)

// A card that is declined, over HTTP.
func ExampleNew() {
	gateway, err := sandbox.New(sandbox.Config{Name: "demo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(gateway.Handler())
	defer server.Close()
	body := strings.NewReader(`{"operation_id":"op-1","amount":1000,"currency":"GBP","token":"tok_declined_fraud"}`)
	resp, err := http.Post(server.URL+"/v1/payments", "application/json", body)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, strings.Contains(string(answer), `"reason":"suspected_fraud"`), err)
	// Output: 402 true <nil>
}
