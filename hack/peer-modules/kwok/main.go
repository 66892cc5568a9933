// Command kwok answers for the nodes and pods of a cluster that has neither machines nor containers. With the single
// argument `stages` it prints what nodes and pods go through, as a configuration for `--config`.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	nodes "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeats "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pods "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "stages" {
		for _, stage := range []string{
			nodes.DefaultNodeInit,
			heartbeats.DefaultNodeHeartbeatWithLease,
			pods.DefaultPodReady,
			pods.DefaultPodComplete,
			pods.DefaultPodDelete,
		} {
			fmt.Println("---")
			fmt.Println(stage)
		}
		return
	}
	// Logging and the configuration file are flags that have to be read before the command is made.
	early := pflag.NewFlagSet("early", pflag.ContinueOnError)
	early.ParseErrorsAllowlist.UnknownFlags = true
	early.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), early)
	ctx, err := config.InitFlags(ctx, early)
	if err == nil {
		command := cmd.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(early)
		err = command.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		os.Exit(1)
	}
}
