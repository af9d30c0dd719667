package lifecycle

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// tailBytes is how much of the end of a log is looked at for its last line.
const tailBytes = 4096

// lastLine is the last line of a log file, for an error message.
func lastLine(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return "no log"
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "no log"
	}
	content, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-tailBytes), tailBytes))
	if err != nil {
		return "log cannot be read"
	}
	content = bytes.TrimSpace(content)
	if len(content) == 0 {
		return "its log is empty"
	}
	return fmt.Sprintf("it last logged %q", content[bytes.LastIndexByte(content, '\n')+1:])
}
