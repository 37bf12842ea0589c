// Lists what a server has and calls one tool, with the official Go SDK: tour URL TOOL ARGUMENTS.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type found struct {
	Tools     []string `json:"tools"`
	Prompts   []string `json:"prompts"`
	Resources []string `json:"resources"`
	Text      string   `json:"text"`
}

func main() {
	told, err := tour(context.Background(), os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	line, _ := json.Marshal(told)
	fmt.Println(string(line))
}

func tour(ctx context.Context, url, tool, arguments string) (*found, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "tour", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	told := &found{}
	for one, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		told.Tools = append(told.Tools, one.Name)
	}
	for one, err := range session.Prompts(ctx, nil) {
		if err != nil {
			return nil, err
		}
		told.Prompts = append(told.Prompts, one.Name)
	}
	for one, err := range session.Resources(ctx, nil) {
		if err != nil {
			return nil, err
		}
		told.Resources = append(told.Resources, one.URI)
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)})
	if err != nil {
		return nil, err
	}
	if text, ok := result.Content[0].(*mcp.TextContent); ok {
		told.Text = text.Text
	}
	return told, nil
}
