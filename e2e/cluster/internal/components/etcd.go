package components

import (
	"context"
	"fmt"
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"

	"devcluster/internal/config"
)

// RunEtcd serves etcd from a data directory until ctx ends or it fails.
func RunEtcd(ctx context.Context, dataDirectory string) error {
	server := embed.NewConfig()
	server.Dir = dataDirectory
	client := []url.URL{{Scheme: "http", Host: config.EtcdAddress}}
	peer := []url.URL{{Scheme: "http", Host: config.EtcdPeerAddress}}
	server.ListenClientUrls, server.AdvertiseClientUrls = client, client
	server.ListenPeerUrls, server.AdvertisePeerUrls = peer, peer
	server.InitialCluster = server.InitialClusterFromName(server.Name)
	server.LogLevel = "warn"
	// NewConfig leaves it at zero, which warns of every request.
	server.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	// The data of a development cluster need not outlive a crash of the machine; that of the process
	// it does outlive.
	server.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(server)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer etcd.Close()
	select {
	case err := <-etcd.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		return nil
	}
}
