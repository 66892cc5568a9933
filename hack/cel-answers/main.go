// Answers validation rules with the packages of a Kubernetes API server: what they cost at worst, what they cost on an
// object, and what comes out.
//
// Without arguments it reads lines {"rule": …, "object": n, …} behind a first line {"schema": …, "objects": […]} and
// writes them answered. With -count it makes up that many rules first.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	kjson "sigs.k8s.io/json"
)

// What all cases share.
type setting struct {
	Schema  json.RawMessage   `json:"schema"`
	Objects []json.RawMessage `json:"objects"`
}

type answer struct {
	Rule   string `json:"rule"`
	Object int    `json:"object"`
	// Why the rule does not compile.
	Refused  string `json:"refused,omitempty"`
	Estimate uint64 `json:"estimate"`
	Cost     uint64 `json:"cost"`
	Result   string `json:"result,omitempty"`
	Error    string `json:"error,omitempty"`
}

// The API server puts a number of its own behind the name of a type.
var typeNumber = regexp.MustCompile(`selfType\d+`)

// How often a rule runs: what maps in random order make differ between runs is left out.
const runs = 6

var base = environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())

type judge struct {
	structural *schema.Structural
	values     []any
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newJudge(s setting) *judge {
	var props apiextensionsv1.JSONSchemaProps
	must(json.Unmarshal(s.Schema, &props))
	var internal apiextensions.JSONSchemaProps
	must(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&props, &internal, nil))
	structural, err := schema.NewStructural(&internal)
	must(err)
	spec := structural.Properties["spec"]
	j := &judge{structural: &spec}
	for _, object := range s.Objects {
		var value any
		must(kjson.UnmarshalCaseSensitivePreserveInts(object, &value))
		j.values = append(j.values, value)
	}
	return j
}

// answer returns false for a rule whose runs differ.
func (j *judge) answer(rule string, object int) (answer, bool) {
	out := answer{Rule: rule, Object: object}
	j.structural.XValidations = apiextensionsv1.ValidationRules{{Rule: rule}}
	compiled, err := cel.Compile(
		j.structural, model.SchemaDeclType(j.structural, false), celconfig.PerCallLimit, base, cel.NewExpressionsEnvLoader())
	must(err)
	if compiled[0].Error != nil {
		out.Refused = typeNumber.ReplaceAllString(compiled[0].Error.Detail, "selfType")
		return out, true
	}
	out.Estimate = compiled[0].MaxCost
	for i := range runs {
		variables := map[string]any{"self": cel.UnstructuredToVal(j.values[object], j.structural)}
		value, details, err := compiled[0].Program.ContextEval(context.Background(), variables)
		now := out
		now.Error, now.Result = "", ""
		if details == nil || details.ActualCost() == nil {
			return out, false
		}
		now.Cost = *details.ActualCost()
		if err != nil {
			// A panic in the evaluator.
			if strings.HasPrefix(err.Error(), "internal error: ") {
				return out, false
			}
			now.Error = err.Error()
		} else {
			now.Result = fmt.Sprint(value.Value())
		}
		if i > 0 && now != out {
			return out, false
		}
		out = now
	}
	return out, true
}

func main() {
	seed := flag.Int64("seed", 1, "of the random rules")
	count := flag.Int("count", 0, "how many rules to make up")
	flag.Parse()
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if *count > 0 {
		shared := madeUp()
		must(out.Encode(shared))
		judge := newJudge(shared)
		random := rand.New(rand.NewSource(*seed))
		for made := 0; made < *count; {
			g := &generator{random: random}
			if a, steady := judge.answer(g.rule(), random.Intn(len(shared.Objects))); steady {
				must(out.Encode(a))
				made++
			}
		}
		return
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	var judge *judge
	for in.Scan() {
		if judge == nil {
			var shared setting
			must(json.Unmarshal(in.Bytes(), &shared))
			judge = newJudge(shared)
			fmt.Println(in.Text())
			continue
		}
		var given answer
		must(json.Unmarshal(in.Bytes(), &given))
		a, steady := judge.answer(given.Rule, given.Object)
		if !steady {
			panic("the answer of " + given.Rule + " differs from run to run")
		}
		must(out.Encode(a))
	}
	must(in.Err())
}
