package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// The most used library besides the official one.
type mcpGo struct {
	client   *client.Client
	told     *heard
	endpoint string
}

type answerer struct{}

func (answerer) CreateMessage(context.Context, mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	message := mcp.SamplingMessage{Role: "assistant", Content: mcp.TextContent{Type: "text", Text: "four"}}
	return &mcp.CreateMessageResult{SamplingMessage: message, Model: "none"}, nil
}

func (answerer) Elicit(context.Context, mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	response := mcp.ElicitationResponse{Action: "accept", Content: object{"name": "Zoë"}}
	return &mcp.ElicitationResult{ElicitationResponse: response}, nil
}

func (answerer) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	return &mcp.ListRootsResult{Roots: []mcp.Root{{URI: "file:///features", Name: "features"}}}, nil
}

func openMcpGo(ctx context.Context, endpoint, url, token string, legacy bool, told *heard) (adapter, error) {
	headers := map[string]string{"Authorization": "Bearer " + token}
	var wire transport.Interface
	var err error
	if endpoint == "sse" {
		wire, err = transport.NewSSE(url, transport.WithHeaders(headers))
	} else {
		options := []transport.StreamableHTTPCOption{transport.WithHTTPHeaders(headers)}
		// A stream of its own for notifications; who asks for one is never offered the modern revision.
		if legacy {
			options = append(options, transport.WithContinuousListening())
		}
		wire, err = transport.NewStreamableHTTP(url, options...)
	}
	if err != nil {
		return nil, err
	}
	options := []client.ClientOption{
		client.WithSamplingHandler(answerer{}), client.WithElicitationHandler(answerer{}), client.WithRootsHandler(answerer{}),
	}
	if legacy {
		options = append(options, client.WithLegacyProtocolOnly())
	}
	opened := &mcpGo{client.NewClient(wire, options...), told, endpoint}
	opened.client.OnNotification(opened.note)
	if err := opened.client.Start(ctx); err != nil {
		return nil, err
	}
	hello := mcp.InitializeRequest{}
	hello.Params.ClientInfo = mcp.Implementation{Name: "features", Version: "1"}
	if _, err := opened.client.Initialize(ctx, hello); err != nil {
		return nil, err
	}
	if opened.version() >= "2026" {
		filter := mcp.SubscriptionFilter{ToolsListChanged: true, ResourceSubscriptions: []string{uri}}
		_, err = opened.client.ListenAsync(ctx, filter, nil)
	}
	return opened, err
}

func (m *mcpGo) note(note mcp.JSONRPCNotification) {
	var params struct {
		Uri      string
		Data     any
		Progress float64
	}
	text, _ := json.Marshal(note.Params)
	_ = json.Unmarshal(text, &params)
	m.told.note(func() {
		switch note.Method {
		case "notifications/progress":
			m.told.progress = append(m.told.progress, params.Progress)
		case "notifications/message":
			m.told.logs = append(m.told.logs, fmt.Sprint(params.Data))
		case "notifications/resources/updated":
			m.told.updates = append(m.told.updates, params.Uri)
		case "notifications/tools/list_changed":
			m.told.listChanges++
		}
	})
}

func (m *mcpGo) version() string { return m.client.ProtocolVersion() }

// Over HTTP it cancels by hanging up, which no legacy revision takes for that; over HTTP+SSE it answers no questions.
func (m *mcpGo) lacks() []string {
	switch {
	case m.endpoint == "sse":
		return []string{"cancel", "elicitation", "sampling", "roots"}
	case m.version() < "2026":
		return []string{"cancel"}
	}
	return nil
}

func (m *mcpGo) close() { m.client.Close() }

func (m *mcpGo) tools(ctx context.Context) ([]string, error) {
	got, err := m.client.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, tool := range got.Tools {
		names = append(names, tool.Name)
	}
	return names, nil
}

func (m *mcpGo) send(ctx context.Context, name string, arguments object, meta *mcp.Meta) (result, error) {
	request := mcp.CallToolRequest{}
	request.Params.Name, request.Params.Arguments, request.Params.Meta = name, arguments, meta
	got, err := m.client.CallTool(ctx, request)
	if err != nil {
		return result{}, err
	}
	text, ok := got.Content[0].(mcp.TextContent)
	if !ok {
		return result{}, fmt.Errorf("no text in %T", got.Content[0])
	}
	return result{text.Text, got.StructuredContent, got.IsError}, nil
}

func (m *mcpGo) call(ctx context.Context, name string, arguments object) (result, error) {
	return m.send(ctx, name, arguments, nil)
}

func (m *mcpGo) callForProgress(ctx context.Context, name string) (result, error) {
	return m.send(ctx, name, object{}, &mcp.Meta{ProgressToken: "steps"})
}

func (m *mcpGo) callForLogs(ctx context.Context, name string) (result, error) {
	request := mcp.SetLevelRequest{}
	request.Params.Level = "debug"
	if err := m.client.SetLevel(ctx, request); err != nil {
		return result{}, err
	}
	return m.send(ctx, name, object{}, nil)
}

func (m *mcpGo) resources(ctx context.Context) ([]string, error) {
	got, err := m.client.ListResources(ctx, mcp.ListResourcesRequest{})
	if err != nil {
		return nil, err
	}
	var uris []string
	for _, resource := range got.Resources {
		uris = append(uris, resource.URI)
	}
	return uris, nil
}

func (m *mcpGo) read(ctx context.Context, uri string) (string, error) {
	request := mcp.ReadResourceRequest{}
	request.Params.URI = uri
	got, err := m.client.ReadResource(ctx, request)
	if err != nil {
		return "", err
	}
	return got.Contents[0].(mcp.TextResourceContents).Text, nil
}

func (m *mcpGo) subscribe(ctx context.Context, uri string) error {
	request := mcp.SubscribeRequest{}
	request.Params.URI = uri
	return m.client.Subscribe(ctx, request)
}

func (m *mcpGo) prompts(ctx context.Context) ([]string, error) {
	got, err := m.client.ListPrompts(ctx, mcp.ListPromptsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, prompt := range got.Prompts {
		names = append(names, prompt.Name)
	}
	return names, nil
}

func (m *mcpGo) prompt(ctx context.Context, name string, arguments map[string]string) (string, error) {
	request := mcp.GetPromptRequest{}
	request.Params.Name, request.Params.Arguments = name, arguments
	got, err := m.client.GetPrompt(ctx, request)
	if err != nil {
		return "", err
	}
	return got.Messages[0].Content.(mcp.TextContent).Text, nil
}

func (m *mcpGo) complete(ctx context.Context, prompt, argument, value string) ([]string, error) {
	request := mcp.CompleteRequest{}
	request.Params.Ref = mcp.PromptReference{Type: "ref/prompt", Name: prompt}
	request.Params.Argument.Name, request.Params.Argument.Value = argument, value
	got, err := m.client.Complete(ctx, request)
	if err != nil {
		return nil, err
	}
	return got.Completion.Values, nil
}
