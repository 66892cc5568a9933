package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "wildwest.dev", Version: "v1alpha1"}

// CowboySpec is what a cowboy wants.
type CowboySpec struct {
	Intent string `json:"intent,omitempty"`
	Horses int64  `json:"horses,omitempty"`
}

// CowboyStatus is what became of it.
type CowboyStatus struct {
	Result string `json:"result,omitempty"`
	Horses int64  `json:"horses,omitempty"`
}

// Cowboy is the custom resource of fixtures/cowboys.yaml, less the fields this program has no use for.
type Cowboy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              CowboySpec   `json:"spec,omitempty"`
	Status            CowboyStatus `json:"status,omitempty"`
}

// DeepCopyObject implements runtime.Object.
func (c *Cowboy) DeepCopyObject() runtime.Object {
	copied := *c
	c.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

// CowboyList is a list of them.
type CowboyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cowboy `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (l *CowboyList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]Cowboy, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*Cowboy)
	}
	return &copied
}

func addToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &Cowboy{}, &CowboyList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}
