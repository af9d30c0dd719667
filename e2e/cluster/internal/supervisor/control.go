package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// changePatience is how long stopping or starting a component may take.
const changePatience = 60 * time.Second

// serveControl answers requests about the components on the cluster's control socket:
//
//	GET  /components                       status of all
//	POST /components/NAME/signal?name=TERM send a signal to the process
//	POST /components/NAME/stop             kill it and keep it down
//	POST /components/NAME/start            let it run again
func serveControl(ctx context.Context, cluster *state.Cluster, processes []*process) error {
	if err := os.Remove(cluster.ControlSocket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	directory, err := openDirectory(cluster)
	if err != nil {
		return err
	}
	defer directory.Close()
	listener, err := net.Listen("unix", socketAddress(directory, cluster))
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	server := &http.Server{Handler: controlHandler(processes), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func controlHandler(processes []*process) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /components", func(w http.ResponseWriter, r *http.Request) {
		statuses := make([]Status, 0, len(processes))
		for _, p := range processes {
			statuses = append(statuses, p.snapshot())
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(statuses)
	})
	mux.HandleFunc("POST /components/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
		index := slices.IndexFunc(processes, func(p *process) bool { return p.component.Name == r.PathValue("name") })
		if index < 0 {
			var known []string
			for _, p := range processes {
				known = append(known, p.component.Name)
			}
			http.Error(w, fmt.Sprintf("no component %q, there are: %s", r.PathValue("name"), strings.Join(known, ", ")), http.StatusNotFound)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), changePatience)
		defer cancel()
		var err error
		switch action := r.PathValue("action"); action {
		case "signal":
			var number unix.Signal
			if number, err = ParseSignal(r.URL.Query().Get("name")); err == nil {
				err = processes[index].signal(number)
			}
		case "stop":
			err = processes[index].hold(ctx)
		case "start":
			err = processes[index].release(ctx)
		default:
			http.Error(w, fmt.Sprintf("no action %q", action), http.StatusNotFound)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

// ParseSignal understands TERM and SIGTERM, in any case.
func ParseSignal(name string) (unix.Signal, error) {
	upper := strings.ToUpper(name)
	if !strings.HasPrefix(upper, "SIG") {
		upper = "SIG" + upper
	}
	number := unix.SignalNum(upper)
	if number == 0 {
		return 0, fmt.Errorf("unknown signal %q, use a name such as KILL, TERM, STOP or CONT", name)
	}
	return number, nil
}

// Client speaks to the supervisor of a cluster from the host.
type Client struct {
	http http.Client
}

// NewClient makes a client; it connects on the first request.
func NewClient(cluster *state.Cluster) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		directory, err := openDirectory(cluster)
		if err != nil {
			return nil, err
		}
		defer directory.Close()
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socketAddress(directory, cluster))
	}
	return &Client{http: http.Client{
		Timeout:   changePatience + 5*time.Second,
		Transport: &http.Transport{DialContext: dial},
	}}
}

// Components asks for the status of all components.
func (c *Client) Components(ctx context.Context) ([]Status, error) {
	body, err := c.do(ctx, http.MethodGet, "/components")
	if err != nil {
		return nil, err
	}
	var statuses []Status
	return statuses, json.Unmarshal(body, &statuses)
}

// Signal sends a signal to a component's process.
func (c *Client) Signal(ctx context.Context, component, signal string) error {
	_, err := c.do(ctx, http.MethodPost, "/components/"+component+"/signal?name="+signal)
	return err
}

// Stop kills a component and keeps it down.
func (c *Client) Stop(ctx context.Context, component string) error {
	_, err := c.do(ctx, http.MethodPost, "/components/"+component+"/stop")
	return err
}

// Start lets a stopped component run again.
func (c *Client) Start(ctx context.Context, component string) error {
	_, err := c.do(ctx, http.MethodPost, "/components/"+component+"/start")
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the supervisor does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(body)))
	}
	return body, nil
}

// openDirectory and socketAddress name the control socket through a descriptor of its directory: a
// Unix socket address holds about 100 bytes, and the directory may be any length.
func openDirectory(cluster *state.Cluster) (*os.File, error) {
	return os.Open(cluster.Dir())
}

func socketAddress(directory *os.File, cluster *state.Cluster) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), filepath.Base(cluster.ControlSocket()))
}
