module acme.example/store

go 1.26.0
