package chaos_test

import (
	"os"
	"testing"

	"waybill/internal/chaos"
)

func TestMain(m *testing.M) { os.Exit(chaos.Main(m)) }
