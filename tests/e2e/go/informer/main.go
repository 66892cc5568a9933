// Informer follows config maps and, through the dynamic client, cowboys of the default namespace, and prints a line for
// every change. It answers config maps labelled "ask" by writing data.answer, from a work queue, with retries on conflict.
//
// Usage: informer json|protobuf       (what the typed client speaks; the server is the one of KUBECONFIG)
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
)

const namespace = "default"

var cowboys = schema.GroupVersionResource{Group: "wildwest.dev", Version: "v1alpha1", Resource: "cowboys"}

// lines keeps two informers from writing into one line.
var lines sync.Mutex

func say(format string, arguments ...any) {
	lines.Lock()
	defer lines.Unlock()
	fmt.Printf(format+"\n", arguments...)
}

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "json" && os.Args[1] != "protobuf") {
		log.Fatal("usage: informer json|protobuf")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		log.Fatal(err)
	}
	untyped := dynamic.NewForConfigOrDie(config)
	if os.Args[1] == "protobuf" {
		config.ContentType = "application/vnd.kubernetes.protobuf"
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run(ctx, kubernetes.NewForConfigOrDie(config), untyped)
	say("stopped")
}

// run informs until the context ends.
func run(ctx context.Context, client kubernetes.Interface, untyped dynamic.Interface) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	maps := factory.Core().V1().ConfigMaps()
	must(maps.Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			found := object.(*corev1.ConfigMap)
			say("added %s initial=%t", found.Name, initial)
			queue.Add(found.Name)
		},
		UpdateFunc: func(old, object any) {
			found := object.(*corev1.ConfigMap)
			if found.ResourceVersion != old.(*corev1.ConfigMap).ResourceVersion {
				say("updated %s %v", found.Name, found.Data)
				queue.Add(found.Name)
			}
		},
		DeleteFunc: func(object any) { say("deleted %s", object.(*corev1.ConfigMap).Name) },
	}))
	dynamicFactory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(untyped, 0, namespace, nil)
	riders := dynamicFactory.ForResource(cowboys).Informer()
	must(riders.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { say("cowboy added %s", object.(*unstructured.Unstructured).GetName()) },
		DeleteFunc: func(object any) { say("cowboy deleted %s", object.(*unstructured.Unstructured).GetName()) },
	}))
	factory.Start(ctx.Done())
	dynamicFactory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), maps.Informer().HasSynced, riders.HasSynced) {
		return
	}
	say("synced")

	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			name, shutdown := queue.Get()
			if shutdown {
				return
			}
			if err := answer(ctx, client, maps.Lister(), name); err != nil && ctx.Err() == nil {
				say("failed %s %v", name, err)
				queue.AddRateLimited(name)
			} else {
				queue.Forget(name)
			}
			queue.Done(name)
		}
	})
	<-ctx.Done()
	queue.ShutDown()
	worker.Wait()
	factory.Shutdown()
	dynamicFactory.Shutdown()
}

// answer writes data.answer into a config map that asks, unless it stands there already.
func answer(ctx context.Context, client kubernetes.Interface, lister corelisters.ConfigMapLister, name string) error {
	found, err := lister.ConfigMaps(namespace).Get(name)
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil || found.Labels["ask"] == "" || found.Data["answer"] == found.Labels["ask"] {
		return err
	}
	stale := found.DeepCopy() // the first try is with what the cache holds; a conflict reads again
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if stale.Data == nil {
			stale.Data = map[string]string{}
		}
		stale.Data["answer"] = stale.Labels["ask"]
		_, err := client.CoreV1().ConfigMaps(namespace).Update(ctx, stale, metav1.UpdateOptions{})
		if errors.IsConflict(err) {
			if stale, err = client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
				return errors.NewConflict(schema.GroupResource{Resource: "configmaps"}, name, nil)
			}
		}
		return err
	})
}

func must(_ cache.ResourceEventHandlerRegistration, err error) {
	if err != nil {
		log.Fatal(err)
	}
}
