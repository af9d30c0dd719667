// Command probe is what the pods of the integration test run.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("use: probe serve DIRECTORY | probe get URL")
	}
	switch what := os.Args[2]; os.Args[1] {
	case "serve":
		if err := os.WriteFile(what+"/written", fmt.Appendf(nil, "by user %d\n", os.Getuid()), 0o644); err != nil {
			log.Fatal(err)
		}
		log.Print("serving ", what)
		log.Fatal(http.ListenAndServe(":8080", http.FileServer(http.Dir(what))))
	case "get":
		response, err := http.Get(what)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(response.Status)
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
}
