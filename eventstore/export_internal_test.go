package eventstore

// HotQueries are the queries whose plans are tested, as statements that prepare them: those of readers, and those of
// the appender with the settings of its sessions.
func HotQueries() (reader, writer []string) {
	reader = []string{
		"PREPARE log (int8, int8) AS " + selectLog,
		"PREPARE stream (text, int8, int8) AS " + selectStream,
		"PREPARE command (uuid) AS " + selectCommand,
		"PREPARE outcome (uuid) AS " + selectOutcome,
		"PREPARE timeline (text, int8) AS " + selectOutcomesByKey,
	}
	for name, value := range writerSettings() {
		writer = append(writer, "SET "+name+" = '"+value+"'")
	}
	return reader, append(writer,
		"PREPARE commands (uuid[]) AS "+findCommands,
		"PREPARE outcomes (uuid[]) AS "+findOutcomes,
		"PREPARE claims (text[]) AS "+findClaims,
		"PREPARE versions (text[]) AS "+findVersions,
		"PREPARE append AS "+appendFull)
}
