"""Files: durable writing, strict JSON, schemas and the safetensors container."""
