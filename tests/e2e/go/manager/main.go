// Manager is a controller-runtime manager, elected by a lease, that gives each cowboy a stable (a config map it owns), a
// status and a finalizer, and prints a line for what it does.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "wildwest.dev/manager"

// reconciler brings cowboys to what their spec says.
type reconciler struct {
	client.Client
}

// Reconcile handles one cowboy.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cowboy := &Cowboy{}
	if err := r.Get(ctx, request.NamespacedName, cowboy); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !cowboy.DeletionTimestamp.IsZero() {
		if controllerutil.RemoveFinalizer(cowboy, finalizer) {
			fmt.Printf("buried %s\n", cowboy.Name)
			return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, cowboy))
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(cowboy, finalizer) {
		if err := r.Update(ctx, cowboy); err != nil {
			return ctrl.Result{}, err
		}
	}
	stable := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: cowboy.Name + "-stable", Namespace: cowboy.Namespace}}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, stable, func() error {
		stable.Data = map[string]string{"horses": strconv.FormatInt(cowboy.Spec.Horses, 10)}
		return controllerutil.SetControllerReference(cowboy, stable, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	fmt.Printf("stable of %s %s\n", cowboy.Name, done)
	before := cowboy.DeepCopyObject().(*Cowboy)
	cowboy.Status = CowboyStatus{Result: "stabled", Horses: cowboy.Spec.Horses}
	return ctrl.Result{}, r.Status().Patch(ctx, cowboy, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

func main() {
	ctrl.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		log.Fatal(err)
	}
	addToScheme(scheme)
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{"default": {}}},
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "stables.wildwest.dev",
		LeaderElectionNamespace:       "default",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	controller := ctrl.NewControllerManagedBy(manager).For(&Cowboy{}).Owns(&corev1.ConfigMap{})
	if err := controller.Complete(&reconciler{manager.GetClient()}); err != nil {
		log.Fatal(err)
	}
	go func() {
		<-manager.Elected()
		fmt.Println("elected")
	}()
	if err := manager.Start(ctrl.SetupSignalHandler()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
	os.Exit(0)
}
