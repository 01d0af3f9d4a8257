package projections

import (
	"embed"
	"fmt"
	"io/fs"

	"waybill/eventstore"
)

//go:embed migration/*.sql
var migrationFiles embed.FS

// Migrations is what [eventstore.Migrate] needs besides the log's own: the registry of versions, the table of parked
// events and the schema of the views. The tables of the read models themselves are made by their runners.
func Migrations() eventstore.MigrationSet {
	files, err := fs.Sub(migrationFiles, "migration")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err)) // the folder is compiled in
	}
	return eventstore.MigrationSet{Name: "projections", FS: files}
}
