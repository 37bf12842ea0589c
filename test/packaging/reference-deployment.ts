/** The deployment examples of the published command reference, as they are printed there. */

export const referenceImage = 'ghcr.io/compozy/mcp-proxy:latest'

export const referenceDockerfile = `
FROM ghcr.io/compozy/mcp-proxy:latest
EXPOSE 6001
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \\
  CMD wget --no-verbose --tries=1 --spider http://localhost:6001/healthz || exit 1
CMD ["compozy", "mcp-proxy"]
`

export const referenceCompose = `
version: '3.8'
services:
  mcp-proxy:
    image: ghcr.io/compozy/mcp-proxy:latest
    command: ["compozy", "mcp-proxy"]
    ports:
      - "6001:6001"
    environment:
      - MCP_PROXY_HOST=0.0.0.0
      - MCP_PROXY_PORT=6001
    healthcheck:
      test: ["CMD", "wget", "--no-verbose", "--tries=1", "--spider", "http://localhost:6001/healthz"]
      interval: 30s
      timeout: 10s
      retries: 3
    restart: unless-stopped
`

export const referenceDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: mcp-proxy
spec:
  replicas: 2
  selector:
    matchLabels:
      app: mcp-proxy
  template:
    metadata:
      labels:
        app: mcp-proxy
    spec:
      containers:
        - name: mcp-proxy
          image: ghcr.io/compozy/mcp-proxy:latest
          command: ["compozy", "mcp-proxy"]
          ports:
            - containerPort: 6001
          env:
            - name: MCP_PROXY_HOST
              value: "0.0.0.0"
            - name: MCP_PROXY_PORT
              value: "6001"
          livenessProbe:
            httpGet:
              path: /healthz
              port: 6001
            initialDelaySeconds: 30
            periodSeconds: 10
          readinessProbe:
            httpGet:
              path: /healthz
              port: 6001
            initialDelaySeconds: 5
            periodSeconds: 5
          resources:
            requests:
              memory: "64Mi"
              cpu: "50m"
            limits:
              memory: "256Mi"
              cpu: "200m"
`
