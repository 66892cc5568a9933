// Answers cases with the libraries that a Kubernetes API server is built from.
//
// Reads one JSON document a line, {"op": …, …}, and writes it with the answer: "ok" holds a result, "error" a message.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"
)

type line struct {
	Op       string          `json:"op"`
	Document json.RawMessage `json:"document,omitempty"`
	Patch    json.RawMessage `json:"patch,omitempty"`
	Text     *string         `json:"text,omitempty"`
	Number   *float64        `json:"number,omitempty"`
	OK       any             `json:"ok,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func answer(l line) (any, error) {
	text := ""
	if l.Text != nil {
		text = *l.Text
	}
	switch l.Op {
	case "strategic":
		var document, patch map[string]any
		if err := kjson.UnmarshalCaseSensitivePreserveInts(l.Document, &document); err != nil {
			return nil, err
		}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(l.Patch, &patch); err != nil {
			return nil, err
		}
		return strategicpatch.StrategicMergeMapPatch(document, patch, corev1.Pod{})
	case "json":
		patch, err := jsonpatch.DecodePatch(l.Patch)
		if err != nil {
			return nil, err
		}
		patched, err := patch.Apply(l.Document)
		return json.RawMessage(patched), err
	case "merge":
		patched, err := jsonpatch.MergePatch(l.Document, l.Patch)
		return json.RawMessage(patched), err
	case "label":
		selector, err := labels.Parse(text)
		if err != nil {
			return nil, err
		}
		return selector.String(), nil
	case "field":
		selector, err := fields.ParseSelector(text)
		if err != nil {
			return nil, err
		}
		return selector.String(), nil
	case "decode":
		var value any
		strict, err := kjson.UnmarshalStrict([]byte(text), &value)
		said := []string{}
		for _, s := range strict {
			said = append(said, s.Error())
		}
		return []any{value, said}, err
	case "quote":
		encoded, err := json.Marshal(text)
		return []string{strconv.Quote(text), string(encoded)}, err
	case "number":
		encoded, err := json.Marshal(*l.Number)
		return []string{fmt.Sprintf("%v", *l.Number), string(encoded)}, err
	case "names":
		return [][]string{
			validation.IsDNS1123Subdomain(text),
			validation.IsDNS1123Label(text),
			validation.IsDNS1035Label(text),
			validation.IsConfigMapKey(text),
			content.IsLabelKey(text),
			content.IsLabelValue(text),
			content.IsPathSegmentName(text),
		}, nil
	case "time":
		parsed, err := time.Parse(time.RFC3339, text)
		return parsed.UTC().Format(time.RFC3339), err
	}
	return nil, fmt.Errorf("unknown op %q", l.Op)
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			panic(err)
		}
		l.OK, l.Error = nil, ""
		if ok, err := answer(l); err != nil {
			l.Error = err.Error()
		} else {
			l.OK = ok
		}
		if err := out.Encode(l); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
