package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Sends the token with every request.
type bearer struct{ token string }

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(request)
}

// The official SDK.
type goSdk struct{ session *mcp.ClientSession }

func openGoSdk(ctx context.Context, endpoint, url, token string, legacy bool, told *heard) (adapter, error) {
	http := &http.Client{Transport: bearer{token}}
	// Both transports stop at a smaller event of their own accord, whoever sends it.
	const eventBytesMax = 16 * 1024 * 1024
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: http, MaxEventSize: eventBytesMax}
	if endpoint == "sse" {
		transport = &mcp.SSEClientTransport{Endpoint: url, HTTPClient: http, MaxEventSize: eventBytesMax}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "features", Version: "1"}, goSdkOptions(told))
	client.AddRoots(&mcp.Root{URI: "file:///features", Name: "features"})
	var options *mcp.ClientSessionOptions
	if legacy {
		options = &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"}
	}
	session, err := client.Connect(ctx, transport, options)
	return &goSdk{session}, err
}

func goSdkOptions(told *heard) *mcp.ClientOptions {
	return &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "none", Content: &mcp.TextContent{Text: "four"}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: object{"name": "Zoë"}}, nil
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			told.note(func() { told.listChanges++ })
		},
		ResourceUpdatedHandler: func(_ context.Context, note *mcp.ResourceUpdatedNotificationRequest) {
			told.note(func() { told.updates = append(told.updates, note.Params.URI) })
		},
		LoggingMessageHandler: func(_ context.Context, note *mcp.LoggingMessageRequest) {
			told.note(func() { told.logs = append(told.logs, fmt.Sprint(note.Params.Data)) })
		},
		ProgressNotificationHandler: func(_ context.Context, note *mcp.ProgressNotificationClientRequest) {
			told.note(func() { told.progress = append(told.progress, note.Params.Progress) })
		},
	}
}

func (g *goSdk) version() string { return g.session.InitializeResult().ProtocolVersion }

func (g *goSdk) lacks() []string { return nil }

func (g *goSdk) close() { g.session.Close() }

func (g *goSdk) tools(ctx context.Context) ([]string, error) {
	var names []string
	for tool, err := range g.session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		names = append(names, tool.Name)
	}
	return names, nil
}

func (g *goSdk) send(ctx context.Context, params *mcp.CallToolParams) (result, error) {
	got, err := g.session.CallTool(ctx, params)
	if err != nil {
		return result{}, err
	}
	text, ok := got.Content[0].(*mcp.TextContent)
	if !ok {
		return result{}, fmt.Errorf("no text in %T", got.Content[0])
	}
	return result{text.Text, got.StructuredContent, got.IsError}, nil
}

func (g *goSdk) call(ctx context.Context, name string, arguments object) (result, error) {
	return g.send(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
}

func (g *goSdk) callForProgress(ctx context.Context, name string) (result, error) {
	params := &mcp.CallToolParams{Name: name, Arguments: object{}}
	params.SetProgressToken("steps")
	return g.send(ctx, params)
}

func (g *goSdk) callForLogs(ctx context.Context, name string) (result, error) {
	params := &mcp.CallToolParams{Name: name, Arguments: object{}}
	if g.version() < "2026" {
		if err := g.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: "debug"}); err != nil {
			return result{}, err
		}
	} else {
		params.Meta = mcp.Meta{"io.modelcontextprotocol/logLevel": "debug"}
	}
	return g.send(ctx, params)
}

func (g *goSdk) resources(ctx context.Context) ([]string, error) {
	var uris []string
	for resource, err := range g.session.Resources(ctx, nil) {
		if err != nil {
			return nil, err
		}
		uris = append(uris, resource.URI)
	}
	return uris, nil
}

func (g *goSdk) read(ctx context.Context, uri string) (string, error) {
	got, err := g.session.ReadResource(ctx, &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		return "", err
	}
	return got.Contents[0].Text, nil
}

func (g *goSdk) subscribe(ctx context.Context, uri string) error {
	return g.session.Subscribe(ctx, &mcp.SubscribeParams{URI: uri})
}

func (g *goSdk) prompts(ctx context.Context) ([]string, error) {
	var names []string
	for prompt, err := range g.session.Prompts(ctx, nil) {
		if err != nil {
			return nil, err
		}
		names = append(names, prompt.Name)
	}
	return names, nil
}

func (g *goSdk) prompt(ctx context.Context, name string, arguments map[string]string) (string, error) {
	got, err := g.session.GetPrompt(ctx, &mcp.GetPromptParams{Name: name, Arguments: arguments})
	if err != nil {
		return "", err
	}
	return got.Messages[0].Content.(*mcp.TextContent).Text, nil
}

func (g *goSdk) complete(ctx context.Context, prompt, argument, value string) ([]string, error) {
	got, err := g.session.Complete(ctx, &mcp.CompleteParams{
		Ref:      &mcp.CompleteReference{Type: "ref/prompt", Name: prompt},
		Argument: mcp.CompleteParamsArgument{Name: argument, Value: value},
	})
	if err != nil {
		return nil, err
	}
	return got.Completion.Values, nil
}
