# The commands of the project. What they do is in hack/.

export MILLWRIGHT_HOME ?= $(HOME)/.cache/millwright
export CARGO_TARGET_DIR ?= $(MILLWRIGHT_HOME)/target

# The cluster of `make cluster`. With KUBECONFIG set, install and demo use that cluster instead.
export CLUSTER ?= dev

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: cluster
cluster: ## Bring up a Kubernetes on this machine (as root) and print the line that selects it
	@hack/cluster.sh up

.PHONY: cluster-down
cluster-down: ## Remove that Kubernetes and everything of it
	@hack/cluster.sh down

.PHONY: images
images: ## Build the images that have changed and bring them to the cluster
	@hack/images.sh

.PHONY: install
install: ## Install Millwright into the cluster, or bring it up to date there
	@hack/install.sh

.PHONY: check
check: ## Check all that needs no running: format, lints, generated files, chart, licences
	@hack/check.sh

.PHONY: generate
generate: ## Write the chart's CRDs anew from the crds crate
	@hack/generate.sh charts/millwright/files/crds

.PHONY: test
test: ## Run all tests: units, properties, and the end-to-end ones on clusters of their own
	@hack/test.sh

.PHONY: demo
demo: ## Show the loop turn on real data, from nothing
	@hack/demo.sh

.PHONY: bench
bench: ## Run the benchmarks and print their tables
	@hack/bench.sh
