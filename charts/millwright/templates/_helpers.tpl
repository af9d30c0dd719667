{{/* Name of everything that belongs to the operator. */}}
{{- define "millwright.fullname" -}}
{{- if contains "millwright" .Release.Name -}}
{{- printf "%s-operator" (.Release.Name | trunc 54 | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-millwright-operator" (.Release.Name | trunc 43 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "millwright.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "millwright.fullname" .) -}}
{{- end -}}

{{- define "millwright.selectorLabels" -}}
app.kubernetes.io/name: millwright
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "millwright.labels" -}}
{{ include "millwright.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Labels, with a user's beside them: a dict of root and extra. The selectors depend on ours, so a
     user's label of the same name gives way. */}}
{{- define "millwright.labelsWith" -}}
{{- toYaml (merge (include "millwright.labels" .root | fromYaml) .extra) -}}
{{- end -}}

{{/* Reference of an image: a dict of image and root. */}}
{{- define "millwright.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
