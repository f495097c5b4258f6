from preceptor.cli import main

main()
