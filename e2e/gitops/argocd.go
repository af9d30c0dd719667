package gitops

import (
	"context"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

// argoCD runs health scripts as Argo CD does: with the libraries that it opens when a resource does
// not ask for all of them, and for one second at most.
type argoCD struct {
	scripts map[string]string
}

const (
	// Keys of argocd-cm are made of the group and the kind.
	healthKey = "resource.customizations.health.millwright.dev_"
	runLimit  = time.Second
)

// readPatch reads a patch of the ConfigMap argocd-cm.
func readPatch(path string) (argoCD, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return argoCD{}, err
	}
	var patch struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.UnmarshalStrict(text, &patch); err != nil {
		return argoCD{}, fmt.Errorf("%s: %w", path, err)
	}
	return argoCD{scripts: patch.Data}, nil
}

// health is the status and the message that the script of a kind returns for an object.
func (a argoCD) health(kind string, object map[string]any) (status, message string, err error) {
	script, found := a.scripts[healthKey+kind]
	if !found {
		return "", "", fmt.Errorf("there is no script %s%s", healthKey, kind)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", fmt.Errorf("open the library %q: %w", name, err)
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	result, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return "", "", fmt.Errorf("the script returned %s instead of a table", state.Get(-1).Type())
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String(), nil
}

// toLua turns a decoded JSON value into Lua's.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		panic(fmt.Sprintf("no JSON value: %T", value))
	}
}
