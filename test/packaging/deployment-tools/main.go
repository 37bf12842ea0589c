// Reads deployment files as those programs do that take them, and is strict about it.
//
//	deployment-check kubernetes < objects.yaml   as an API server: kinds, fields, types of values
//	deployment-check compose compose.yaml        as Docker Compose: the schema of the file, and what refers to what
//
// Faults go to standard output, one a line; the exit code is 1 where something cannot be read at all.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "kubernetes":
		return checkKubernetes(os.Stdin)
	case len(args) == 2 && args[0] == "compose":
		return checkCompose(args[1])
	default:
		return errors.New("usage: deployment-check kubernetes < objects.yaml, or: deployment-check compose FILE")
	}
}

func checkKubernetes(input io.Reader) error {
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		return err
	}
	if err := monitoring.AddToScheme(known); err != nil {
		return err
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	read := 0
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		object := map[string]any{}
		if err := yaml.Unmarshal(document, &object); err == nil && len(object) == 0 {
			continue
		}
		read++
		if _, _, err := decoder.Decode(document, nil, nil); err != nil {
			fmt.Printf("%v: %v\n", object["kind"], err)
		}
	}
	fmt.Fprintf(os.Stderr, "%d objects\n", read)
	return nil
}

func checkCompose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithWorkingDirectory(filepath.Dir(path)))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		fmt.Println(err)
		return nil
	}
	fmt.Fprintf(os.Stderr, "%d services\n", len(project.Services))
	return nil
}
